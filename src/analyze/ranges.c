/* ranges.c - finds the range of each metric of a run once. */
#include "analyze/ranges.h"

#include "stats/buckets.h"

struct real_range ranges_real(const struct columns *c, size_t from, size_t n, enum metric_id m)
{
	return real_range_of(c->value[m] + from, n, metric_specs[m].scale, (double)BUCKETS_MOST);
}

void ranges_of(struct ranges *out, const struct columns *c, const struct batch_run *run)
{
	for (uint64_t left = run->held.decimals; left; left &= left - 1) {
		int m = __builtin_ctzll(left);

		out->decimal[m] = range_of(c->scaled[m] + run->from, run->n);
	}
	for (uint64_t left = run->held.doubles; left; left &= left - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(left);

		out->real[m] = ranges_real(c, run->from, run->n, m);
	}
}
