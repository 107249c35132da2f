/* cycle.h - repetition: does the text go in circles, exactly or nearly, and since when?
 *
 * The last CYCLE_GRAM tokens are looked up in a table of where each such run of tokens last stood. That gives a
 * period; from then on each token is compared with the one a period before. The period stays as long as it is held to
 * for most of CYCLE_WINDOW tokens; else the next run of tokens that is found gives a new one.
 *
 * Cost     O(1) per token: one hash, one look into a table of 4,096 places, one comparison; when a period is taken,
 *          at most 128 comparisons. No allocation.
 * Bounds   periods up to CYCLE_PERIOD_MAX tokens are found.
 */
#ifndef RWKVMON_OBSERVE_CYCLE_H
#define RWKVMON_OBSERVE_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

enum { CYCLE_GRAM = 8, CYCLE_PERIOD_MAX = 1024, CYCLE_PLACES = 4096, CYCLE_WINDOW = 100 };

struct cycle {
	uint32_t token[2 * CYCLE_PERIOD_MAX]; /* ring of the sequence's last tokens */
	uint32_t place[CYCLE_PLACES];	      /* by hash: 1 + the position of a run's last token; 0: none */
	uint32_t n;			      /* tokens of the sequence */
	uint32_t generated;		      /* of these, since the last prompt */
	uint32_t period;		      /* 0: none */
	uint32_t run;			      /* last tokens in a row that equal the one a period before, all generated */
	uint64_t equal[2];		      /* bit i: so does the token i before the last */
};

void cycle_reset(struct cycle *c);

/* [hot] The next token. What was not generated (a prompt) may repeat itself as it likes. */
void cycle_push(struct cycle *c, uint32_t token, bool generated);

/* Is it an exact repetition by now: two periods, and 16 tokens? */
static inline bool cycle_repeats(const struct cycle *c)
{
	return c->period && c->run >= 16 && c->run >= 2 * c->period;
}

/* How many of the last CYCLE_WINDOW generated tokens equal the one a period before; 0 before there are so many. */
uint32_t cycle_share(const struct cycle *c);

#endif
