/* buckets.h - several quantities over time, in at most `cap` buckets however long it lasts.
 *
 * A bucket is a power of two of milliseconds wide and aligned to multiples of it; when the
 * span no longer fits, neighbours are merged and the width doubles. The width is the
 * smallest that fits, so that the result depends on the values alone, not on their order.
 * Values are summed as integers of 1/scale, rounded, and cut to 2^40: means are for drawing.
 *
 * Ownership  buckets_open, buckets_free. Cells of a channel are made with its first value.
 * Errors     `failed` sticks when memory runs out.
 */
#ifndef RWKVMON_STATS_BUCKETS_H
#define RWKVMON_STATS_BUCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUCKETS_MOST (INT64_C(1) << 40) /* larger values are cut to it in the sum */

struct bucket_cell {
	uint64_t count;
	double min, max;
	int64_t sum; /* times scale, each value rounded; saturates */
};

struct buckets {
	int64_t first, last; /* bucket numbers in use: time >> width_bits */
	int64_t base;	     /* number of the bucket in cell 0; base <= first, last < base + cap */
	int width_bits;	     /* a bucket is 2^width_bits ms */
	bool any, failed;
	size_t cap;
	size_t channels;
	struct bucket_cell **cell; /* (channels)(cap) */
};

/* False when memory is out. */
bool buckets_open(struct buckets *b, size_t cap, size_t channels);
void buckets_free(struct buckets *b);

/* [hot] The cell index of that moment, for buckets_add; widens as needed. */
size_t buckets_at(struct buckets *b, int64_t time_us);

/* [hot] `at` is from the latest buckets_at; the value is finite. */
void buckets_add(struct buckets *b, size_t at, size_t channel, double scale, double value);

/* [hot] The same for several values, whose sum is that of decimals of 1/scale, each at most BUCKETS_MOST in size. */
void buckets_add_sum(struct buckets *b, size_t at, size_t channel, const struct bucket_cell *sum);

/* The times *from_us..*to_us (not itself) that are in the same bucket at the present width. */
void buckets_times(const struct buckets *b, int64_t time_us, int64_t *from_us, int64_t *to_us);

/* Of equal cap and channels. */
void buckets_merge(struct buckets *into, const struct buckets *from);

/* The cell of bucket number i (first..last), or NULL when the channel has no values. */
const struct bucket_cell *buckets_cell(const struct buckets *b, size_t channel, int64_t i);

#endif
