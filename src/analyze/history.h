/* history.h - do prompts hold the conversation before them? Judged by lengths alone: prompt = earlier prompt + its
 * answer + a message, in one conversation or in many at the same time.
 *
 * Two explanations of each prompt's length are weighed. It goes on from one of the contexts (prompt and answer) that
 * wait for the next prompt: then what it adds is about as long as other messages are, and the contexts that go on are
 * the latest ones, or those that always are so many exchanges back. Or it is a text of its own: then it is about as
 * long as the texts around it, as their trend says, or longer than the one before by about as much as others are. The
 * sum of the logarithms of these ratios is high for conversations in any order, and low for documents, sorted or not,
 * for prompts that share a beginning, and for lengths that grow as time goes by.
 *
 * Ownership  none; the exchanges are read during the call.
 * Cost       O(n^2): some 20 ms for HISTORY_EXCHANGES.
 */
#ifndef RWKVMON_ANALYZE_HISTORY_H
#define RWKVMON_ANALYZE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HISTORY_EXCHANGES = 512, /* the latest that are kept */
};

/* A prompt and the answer to it, in tokens. */
struct exchange {
	uint32_t prompt, answer;
	bool goes_on; /* from what its sequence held already */
};

struct history {
	double n, tokens;   /* prompts, and their tokens */
	double answer;      /* mean tokens of an answer */
	double likelihood;  /* ln of how much likelier the lengths are if prompts hold earlier exchanges */
	double follow;      /* prompts that then go on from an earlier exchange … */
	double refed;       /* … and the tokens of it that they hold */
	double first, last; /* tokens of these prompts */
};

/* Those of n exchanges whose prompts were fed from nothing, in their order; returns how many. Where the caller never
 * begins another sequence, no prompt is known to go on from anything: all of them. */
size_t history_fed_anew(struct exchange *to, const struct exchange *e, size_t n);

/* n exchanges, at most HISTORY_EXCHANGES, in the order of their ends. */
void history_of(struct history *out, const struct exchange *e, size_t n);

#endif
