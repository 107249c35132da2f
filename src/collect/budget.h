/* budget.h - decides how often expensive metrics are measured, so that monitoring stays cheap.
 *
 * Over each 64 calls, the collector's own time is compared with the forward time. If it exceeds the budget and 20 µs
 * per call (less is negligible), the stride grows 1, 4, 8, … 64; well below the budget it shrinks again. In each stride
 * two consecutive calls are measured, so that the compared states are still one call apart. A call that the system
 * interrupted says nothing about the collector: it counts as at most four usual measurements. In a call over several
 * streams each stream is measured; the budget is that of the call.
 * What the caller itself spends is not saved by measuring less: it leaves the collector the rest of the budget, but
 * never less than a quarter of it.
 */
#ifndef RWKVMON_COLLECT_BUDGET_H
#define RWKVMON_COLLECT_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget {
	double share; /* of forward time; 0: no budget */
	unsigned stride, calls;
	uint64_t own_ns, caller_ns, forward_ns;
	uint64_t usual_ns; /* of a measurement; 0: none yet */
};

struct budget budget_of(double pct); /* 0: the default, 1 %; below 0: none */

/* [hot] Does the call of a stream that ends now take everything? Each stream has its turn, 0 at first. */
bool budget_takes_all(const struct budget *b, unsigned turn);

/* [hot] The stream's turn after that call. */
unsigned budget_next(const struct budget *b, unsigned turn);

/* [hot] What a call over so many streams took, and what watching it did, the collector and its caller; `looked`: of how
 * many everything was taken. */
void budget_spent(struct budget *b, size_t streams, size_t looked, uint64_t own_ns, uint64_t caller_ns,
		  uint64_t forward_ns);

#endif
