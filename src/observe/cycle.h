/* cycle.h - detects repetition: whether the text repeats itself, exactly or nearly, and since when.
 *
 * The last CYCLE_GRAM tokens are looked up in a table of where each such run of tokens last occurred. That gives a
 * period; from then on each token is compared with the one a period before. The period stays as long as most of
 * CYCLE_WINDOW tokens follow it; otherwise the next run of tokens that is found gives a new one, and the run of equal
 * tokens is counted backwards as far as it goes, so that a false start has no effect.
 *
 * Tokens are stored as 16 bits: exact for vocabularies up to 65,536; for larger ones a fingerprint, of which one in
 * 65,536 is wrong. Beyond the last CYCLE_EXACT tokens only a byte of each is kept, its mark: of two tokens that differ,
 * one pair in 256 counts as equal. Older runs of tokens drop out of the table by chance; each token of a repetition
 * gives another chance to find it.
 *
 * Cost     O(1) per token: one look into a table of 2,048 places (a short ring has fewer), CYCLE_BLOCK comparisons of
 *          marks, one of a token; when a period is taken, as many comparisons as tokens have repeated, CYCLE_RING at
 *          most.
 * Memory   9.5 KiB when it is opened whole; else 1.3 KiB, and from 384, 768, 1,536 and 3,072 tokens on 2.5, 5, 6.5 and
 *          9.5 KiB. Without memory, what is kept stays as short as it is.
 * Bounds   periods up to CYCLE_PERIOD_MAX tokens are found.
 */
#ifndef RWKVMON_OBSERVE_CYCLE_H
#define RWKVMON_OBSERVE_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CYCLE_GRAM = 8,
	CYCLE_RING = 6144, /* a power of two times CYCLE_SMALL */
	CYCLE_SMALL = 384,
	CYCLE_EXACT = 1536, /* a power of two times CYCLE_SMALL, too: indices of the two rings are alike */
	CYCLE_BLOCK = 24,   /* CYCLE_RING / 256: a place is a byte; whole eights */
	CYCLE_PERIOD_MAX = CYCLE_RING - 128, /* a window of tokens, and what they are compared with */
	CYCLE_PLACES = 2048,
	CYCLE_WINDOW = 100,
	CYCLE_NEAR = 40, /* tokens that make a near repetition, if more than two variations of it went; twice as many */
			 /* if two went, four times as many if one did: cells of a table do so, too, for a while */
	CYCLE_EVIDENCE = 4, /* tokens beyond a whole period that make a repetition of it */
	CYCLE_SHORT = 100,  /* so long a period, or a shorter one, */
	CYCLE_ENOUGH = 97,  /* is a repetition with so many tokens, whole or not */
};

struct cycle {
	uint8_t *mark;      /* (cap) ring of the marks of the sequence's last tokens; NULL: none yet */
	uint8_t *high;      /* (cap, at most CYCLE_EXACT) ring of their high bytes, in the same memory */
	uint8_t *place;     /* by hash: the block of the ring in which a run's last token was put */
	uint64_t gram;      /* the marks of the last CYCLE_GRAM tokens */
	uint32_t cap;       /* of the ring */
	uint32_t shift;     /* of a hash, to the number of a place */
	uint64_t n;         /* tokens of the sequence */
	uint32_t held;      /* of these, in the ring */
	uint32_t exact;     /* of these, with their high bytes */
	uint64_t generated; /* of these, since the last prompt */
	uint32_t period;    /* 0: none */
	uint32_t at;        /* of the next token in the ring */
	uint64_t run;       /* last tokens in a row that equal the one a period before, all generated */
	uint64_t equal[2];  /* bit i: so does the token i before the last */

	/* Near repetition: the last tokens, of which few differ from those one or two periods before. In a loop, a
	 * token that differs once is the same again a period later; in a table's columns it differs again. */
	struct cycle_near {
		uint32_t run;         /* tokens; 0: no near repetition */
		int32_t score;        /* falls below 0 if too many differ */
		uint32_t back, again; /* tokens behind one that differed: as two periods before, and different again */
	} near;
};

/* Of a struct that is all zero: takes all memory now; false: there is none. Without it, memory comes with the tokens.
 */
bool cycle_open_whole(struct cycle *c);
void cycle_close(struct cycle *c);

/* Makes *to, of which nothing is kept, a copy; false: no memory, and it is empty. */
bool cycle_copy(struct cycle *to, const struct cycle *from);

void cycle_reset(struct cycle *c); /* keeps the memory */

/* [hot] Adds the next token. Repetition among tokens that were not generated (a prompt) does not count. */
void cycle_push(struct cycle *c, uint32_t token, bool generated);

/* Removes the last n tokens, because the sequence was rewound. */
void cycle_back(struct cycle *c, uint64_t n);

/* A token as it is stored: itself below 65,536. */
uint16_t cycle_fingerprint(uint32_t token);

/* Writes the last tokens that are known exactly, oldest first, as stored; at most cap; returns how many. */
uint32_t cycle_last(const struct cycle *c, uint32_t *to, uint32_t cap);

/* How many tokens in a row make an exact repetition: a whole period and a little of the next, 16 at least. */
static inline uint32_t cycle_needed(uint32_t period)
{
	uint32_t needed = period + CYCLE_EVIDENCE;

	if (period <= CYCLE_SHORT && needed > CYCLE_ENOUGH)
		return CYCLE_ENOUGH;
	return needed > 16 ? needed : 16;
}

/* Is it an exact repetition by now? */
static inline bool cycle_repeats(const struct cycle *c)
{
	return c->period && c->run >= cycle_needed(c->period);
}

/* Is it a repetition with small variations that no table has: a whole period and more? In rows of zeros ("0,0," or
 * "0x00, 0x00, "), the same comes back every two to four tokens. */
static inline bool cycle_nearly(const struct cycle *c)
{
	uint32_t back = c->near.back, needed = back > 2 ? CYCLE_NEAR : back > 1 ? 2 * CYCLE_NEAR : 4 * CYCLE_NEAR;

	return c->period > 4 && c->near.run >= needed && c->near.run >= c->period + CYCLE_NEAR / 2 && back &&
	       back >= 8 * c->near.again;
}

/* How many of the last CYCLE_WINDOW tokens equal the one a period before; 0 until those and the period before them were
 * generated: a copy of the prompt, such as code that is to be changed, is not a repetition. */
uint32_t cycle_share(const struct cycle *c);

#endif
