/* budget.h - how often the expensive metrics are taken, so that watching stays cheap.
 *
 * Over each 64 calls the collector's own time is held against the forward time. Above the
 * budget (and above 20 µs a call, which nobody notices) the stride grows 1, 4, 8, … 64;
 * well below it shrinks again. Two neighbouring calls of a stride are looked at, the second
 * against the first, so that what is compared is still one call apart. A call that the system
 * interrupted tells nothing of the collector: it counts as four usual looks at most.
 */
#ifndef RWKVMON_COLLECT_BUDGET_H
#define RWKVMON_COLLECT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget {
	double share; /* of forward time; 0: no budget */
	unsigned stride, turn, calls;
	uint64_t own_ns, forward_ns;
	uint64_t usual_ns; /* of a look; 0: none yet */
};

struct budget budget_of(double pct); /* 0: the default, 1 %; below 0: none */

/* [hot] Does the call that ends now take everything? */
bool budget_takes_all(const struct budget *b);

/* [hot] What the call took, and what watching it did. */
void budget_spent(struct budget *b, uint64_t own_ns, uint64_t forward_ns);

#endif
