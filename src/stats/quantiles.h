/* quantiles.h - computes quantiles during one pass over values in ascending order.
 *
 * Linear interpolation between ranks; a run of several values counts as spread evenly.
 */
#ifndef RWKVMON_STATS_QUANTILES_H
#define RWKVMON_STATS_QUANTILES_H

#include <stddef.h>
#include <stdint.h>

enum { QUANTILES_MAX = 16 };

struct rank_picker {
	uint64_t rank[QUANTILES_MAX];
	double value[QUANTILES_MAX];
	size_t at;
};

/* For each quantile, the rank below it and the rank above it; each row is ascending. */
struct quantiles {
	struct rank_picker below, above;
	size_t n;
	const double *q;
	uint64_t count, passed;
};

/* q (n, at most QUANTILES_MAX): 0..1, ascending, borrowed; of `count` values, at least one. */
struct quantiles quantiles_of(const double *q, size_t n, uint64_t count);

/* A run of values in ascending order: count values spread evenly over low..high. ctx is the struct quantiles. */
void quantiles_visit(void *ctx, double low, double high, uint64_t count);

/* How many of the next values no quantile needs; quantiles_skip skips that many, or fewer. */
uint64_t quantiles_unasked(const struct quantiles *qs);
void quantiles_skip(struct quantiles *qs, uint64_t count);

/* The results, after the pass; limited to min..max. */
void quantiles_tell(const struct quantiles *qs, double min, double max, double *out);

#endif
