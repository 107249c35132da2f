/* cycle.h - exact repetition: does the text go in circles, and since when?
 *
 * The last CYCLE_GRAM tokens are looked up in a table of where each such run of tokens last stood. That gives the
 * period; from then on each token is compared with the one a period before. A period that breaks is looked up anew.
 *
 * Cost     O(1) per token: one hash, one look into a table of 4,096 places, one comparison; when a period begins,
 *          CYCLE_GRAM more. No allocation.
 * Bounds   periods up to CYCLE_PERIOD_MAX tokens are found. Positions are those of the last 2^32 tokens.
 */
#ifndef RWKVMON_OBSERVE_CYCLE_H
#define RWKVMON_OBSERVE_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

enum { CYCLE_GRAM = 8, CYCLE_PERIOD_MAX = 1024, CYCLE_PLACES = 4096 };

struct cycle {
	uint32_t token[2 * CYCLE_PERIOD_MAX]; /* ring of the sequence's last tokens */
	uint32_t place[CYCLE_PLACES];	      /* by hash: 1 + the position of a run's last token; 0: none */
	uint32_t n;			      /* tokens of the sequence */
	uint32_t period;		      /* 0: none */
	uint32_t run;			      /* generated tokens that equalled the one a period before */
	uint32_t generated;		      /* tokens since the last prompt */
};

void cycle_reset(struct cycle *c);

/* [hot] The next token. What was not generated (a prompt) may repeat itself as it likes. */
void cycle_push(struct cycle *c, uint32_t token, bool generated);

/* Is it a repetition by now: two periods, and 16 tokens? */
static inline bool cycle_repeats(const struct cycle *c)
{
	return c->period && c->run >= 16 && c->run >= 2 * c->period;
}

#endif
