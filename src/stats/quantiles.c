/* quantiles.c - interpolates between ranks in one pass. */
#include "stats/quantiles.h"

#include <math.h>

struct quantiles quantiles_of(const double *q, size_t n, uint64_t count)
{
	struct quantiles qs = { .n = n, .q = q, .count = count };

	for (size_t i = 0; i < n; i++) {
		uint64_t below = (uint64_t)(q[i] * (double)(count - 1));

		qs.below.rank[i] = below;
		qs.above.rank[i] = below + (below + 1 < count);
	}
	return qs;
}

static void pick(struct rank_picker *p, size_t n, uint64_t passed, double low, double high, uint64_t count)
{
	for (; p->at < n && p->rank[p->at] < passed + count; p->at++)
		p->value[p->at] = low + (high - low) * (((double)(p->rank[p->at] - passed) + 0.5) / (double)count);
}

void quantiles_visit(void *ctx, double low, double high, uint64_t count)
{
	struct quantiles *qs = ctx;

	pick(&qs->below, qs->n, qs->passed, low, high, count);
	pick(&qs->above, qs->n, qs->passed, low, high, count);
	qs->passed += count;
}

static uint64_t unasked(const struct rank_picker *p, size_t n, uint64_t passed)
{
	return p->at < n ? p->rank[p->at] - passed : UINT64_MAX;
}

uint64_t quantiles_unasked(const struct quantiles *qs)
{
	uint64_t below = unasked(&qs->below, qs->n, qs->passed), above = unasked(&qs->above, qs->n, qs->passed);

	return below < above ? below : above;
}

void quantiles_skip(struct quantiles *qs, uint64_t count)
{
	qs->passed += count;
}

static double within(double v, double min, double max)
{
	return fmax(min, fmin(max, v));
}

void quantiles_tell(const struct quantiles *qs, double min, double max, double *out)
{
	for (size_t i = 0; i < qs->n; i++) {
		double part = qs->q[i] * (double)(qs->count - 1) - (double)qs->below.rank[i];
		double a = within(qs->below.value[i], min, max), b = within(qs->above.value[i], min, max);

		out[i] = within(a + (b - a) * part, a, b);
	}
}
