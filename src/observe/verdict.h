/* verdict.h - what is wrong with a sequence, told at once on the thread that runs the model.
 *
 * Signs are what the default rules look for (rules/default.yaml), held against limits of the vocabulary alone: nothing
 * is learned, no clock is read, so that the same tokens and numbers give the same verdict. Where a rule sorts a window
 * or waits for a record of its own, they need not begin at the same token. A repetition of bytes is told earlier than
 * by the rules where the likeliest tokens are drawn.
 *
 * Cost     [hot] verdict_note a few comparisons, verdict_of a few dozen; nothing is allocated.
 * Bounds   a sign of logits or of the state needs them: a caller that leaves them out, or a budget that skips them,
 *          delays it, and its first token is then told too late, since measured calls are counted.
 */
#ifndef RWKVMON_OBSERVE_VERDICT_H
#define RWKVMON_OBSERVE_VERDICT_H

#include "observe/cycle.h"
#include "record/record.h"

enum verdict_sign {
	SIGN_LOOP,         /* the last tokens equal those a period before, word for word */
	SIGN_NEAR_LOOP,    /* nearly so */
	SIGN_LOW_ENTROPY,  /* the model has been sure of nearly every token for VERDICT_SURE_TOKENS, and alike sure */
	SIGN_HIGH_ENTROPY, /* it has guessed on average over VERDICT_GUESS_TOKENS */
	SIGN_FREEZE,       /* the token-shift state stands still */
	SIGN_NON_FINITE,   /* logits or state hold NaN or infinity */
	SIGN_STATE_JUMP,   /* the call was given another state than the last one left */
	SIGN_STATE_LEAK,   /* the sequence did not start from its declared state */
	SIGN_COUNT
};

enum {
	VERDICT_SURE_TOKENS = 256,
	VERDICT_LIMITS = 24, /* of entropy: see SURE_STEP in verdict.c */
	VERDICT_FREEZE_TOKENS = 64,
	VERDICT_NEAR_TOKENS = 100, /* mean entropy beside a near loop, and mean surprisal */
	VERDICT_GUESS_TOKENS = 200,
	/* Mean surprisal of mean entropy: 100 where tokens are drawn as the model expects them, 78 at temperature 1 and
	 * a top_p of 0.85, about 50 where the likeliest are drawn. Then nothing but the state leads out of a
	 * repetition. */
	VERDICT_LIKELIEST_PCT = 60,
};

/* What is kept from call to call of one sequence. */
struct verdict_state {
	size_t vocab;                             /* 0: unknown */
	double near_nats, guess_nats;             /* limits; below 0, and of guesses infinite: none */
	float sure_nats[VERDICT_LIMITS];          /* rising; below 0: none */
	uint8_t sure[VERDICT_SURE_TOKENS];        /* ring: how many of these that token's entropy reached */
	uint16_t reached[VERDICT_LIMITS + 1];     /* tokens of the ring that reached so many */
	uint32_t sure_n, sure_at;                 /* tokens in it, the next place */
	uint32_t micronats[VERDICT_GUESS_TOKENS]; /* ring; whole numbers, so that sums never drift */
	uint32_t entropy_n, entropy_at;
	uint64_t near_sum, guess_sum;            /* of the last VERDICT_NEAR_TOKENS, VERDICT_GUESS_TOKENS */
	uint32_t surprisal[VERDICT_NEAR_TOKENS]; /* ring of micronats, too */
	uint32_t surprisal_n, surprisal_at;
	uint64_t surprisal_sum;
	uint64_t frozen;   /* calls in a row */
	double jump, leak; /* of this call; 0: none */
	double nonfinite;
	uint64_t sequence_length, call_tokens;
};

struct observed_verdict {
	uint32_t fires;                      /* 1 << SIGN_…; 0: nothing */
	bool bytes;                          /* tokens are bytes, or of an unknown vocabulary */
	double sure;                         /* of the surest sign; see verdict_of */
	double repeat_share;                 /* of the last CYCLE_WINDOW tokens; 0 to 1 */
	double mean_entropy, mean_surprisal; /* of the last VERDICT_NEAR_TOKENS, nats; NAN unknown */
	uint64_t sequence_length;
	uint64_t first_bad[SIGN_COUNT]; /* the sequence's token it began with, from 1, of the signs that fire */
};

/* A new sequence of a model with so many tokens; 0: unknown. */
void verdict_reset(struct verdict_state *s, size_t vocab);

/* [hot] A call is over and its record is complete. */
void verdict_note(struct verdict_state *s, const struct record *r);

/* [hot] What there is to say after it. `sure` is 1 for what is a fact, else 1 - limit / (2 * value): 1/2 where the
 * limit is just reached, nearer to 1 the further beyond. */
void verdict_of(const struct verdict_state *s, const struct cycle *c, struct observed_verdict *out);

#endif
