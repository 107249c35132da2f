/* history.h - do prompts hold the conversation before them? Judged by lengths alone: prompt = earlier prompt + its
 * answer
 * + a message, in one conversation or in many at the same time.
 *
 * Each prompt is matched with the context (prompt and answer) of an earlier exchange, the longest that it can hold, and
 * each context with one prompt at most. Documents match each other by chance, and sorted ones most of the time. Two
 * things set conversations apart: the prompts without a context are their first messages, which are shorter than the
 * others; and a prompt grows by the very answer that was given before, so that it fits this answer better than
 * those of other exchanges.
 *
 * Ownership  none; the exchanges are read during the call.
 * Cost       history_of: O(n log n). history_fits_own: some 10 ms for HISTORY_EXCHANGES.
 */
#ifndef RWKVMON_ANALYZE_HISTORY_H
#define RWKVMON_ANALYZE_HISTORY_H

#include <stddef.h>
#include <stdint.h>

enum {
	HISTORY_EXCHANGES = 512, /* the latest that are kept */
	HISTORY_FEW = 8,         /* conversations at the same time */
	HISTORY_MANY = 16,       /* so many that lengths fit more often by chance */
};

/* A prompt and the answer to it, in tokens. */
struct exchange {
	uint32_t prompt, answer;
	uint32_t session; /* hash of its name */
};

struct history {
	double n, tokens;    /* prompts, and their tokens */
	double answer;       /* mean tokens of an answer */
	double follow_last;  /* prompts that can hold the exchange right before, in the same session */
	double overlap;      /* prompts at least as long as the one before, yet too short for its answer */
	double foreign;      /* of prompts longer than the one before: variance of what they grow by beyond its answer,
			      * over that of what they grow by; below 1 when they hold the answer. NAN: too few */
	double follow;       /* prompts that match an earlier exchange of any conversation */
	double added, refed; /* of these: tokens beyond that exchange, and tokens of it */
	double astray;       /* of these: share shorter than nine tenths of the prompts that match none */
	double down;         /* prompts shorter than the one before */
	double depth;        /* mean number of exchanges in a prompt */
	double first, last;  /* tokens of these prompts */
};

/* n exchanges, at most HISTORY_EXCHANGES, in the order of their ends, of so many conversations at the same time at most
 * (HISTORY_MANY). */
void history_of(struct history *out, const struct exchange *e, size_t n, size_t conversations);

/* By how many standard deviations prompts fit the answers before them better than answers that are exchanged at random
 * among prompts of about the same length or time; about 0 for documents, NAN where all answers have one length. The
 * same exchanges give the same number. */
double history_fits_own(const struct exchange *e, size_t n);

#endif
