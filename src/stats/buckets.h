/* buckets.h - several quantities over time, in at most `cap` buckets for any duration.
 *
 * A bucket is a power of two of milliseconds wide and aligned to multiples of it; when the
 * span no longer fits, neighbours are merged and the width doubles. The width is the
 * smallest that fits, so that the result depends on the values alone, not on their order.
 * Values are summed as integers in units of 1/scale, rounded, and limited to 2^40; the means are only for drawing.
 *
 * Ownership  buckets_open, buckets_free. Cells of a channel are made with its first value.
 * Errors     `failed` sticks when memory runs out.
 */
#ifndef RWKVMON_STATS_BUCKETS_H
#define RWKVMON_STATS_BUCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUCKETS_MOST (INT64_C(1) << 40) /* larger values are limited to it in the sum */

struct bucket_cell {
	uint64_t count;
	double min, max;
	int64_t sum; /* times scale, each value rounded; saturates */
};

struct buckets {
	int64_t first, last; /* bucket numbers in use: time >> width_bits */
	int64_t base;        /* number of the bucket in cell 0; base <= first, last < base + cap */
	int width_bits;      /* a bucket is 2^width_bits ms */
	bool any, failed;
	size_t cap;
	size_t channels;
	struct bucket_cell **cell; /* (channels)(cap) */
};

/* False when memory runs out. */
bool buckets_open(struct buckets *b, size_t cap, size_t channels);
void buckets_free(struct buckets *b);

/* [hot] The cell index for that time, for buckets_add_sum; widens buckets as needed. */
size_t buckets_at(struct buckets *b, int64_t time_us);

/* [hot] Adds values, given by the sum of their decimals in units of 1/scale, each at most BUCKETS_MOST in size; `at` is
 * from the latest buckets_at. */
void buckets_add_sum(struct buckets *b, size_t at, size_t channel, const struct bucket_cell *sum);

/* [hot] The cell indices for n times, for buckets_add_rows. Returns whether all are in one cell. */
bool buckets_places(struct buckets *b, const int64_t *time_us, size_t n, uint32_t *at);

/* [hot] Adds value i, given in units of 1/scale as sum[i], at most BUCKETS_MOST in size, to the cell at[i]. */
void buckets_add_rows(struct buckets *b, size_t channel, const uint32_t *at, const double *value, const int64_t *sum,
		      size_t n);

/* [hot] The same for decimals times scale, each at most BUCKETS_MOST in size. */
void buckets_add_decimals(struct buckets *b, size_t channel, const uint32_t *at, const int64_t *v, double scale,
			  size_t n);

/* Both must have the same cap and channels. */
void buckets_merge(struct buckets *into, const struct buckets *from);

/* The cell of bucket number i (first..last), or NULL when the channel has no values. */
const struct bucket_cell *buckets_cell(const struct buckets *b, size_t channel, int64_t i);

#endif
