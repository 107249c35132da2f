/* sketch.h - quantiles of any number of values in bounded memory.
 *
 * Up to SKETCH_FEW values are kept as they are: quantiles are then exact. More are counted
 * in bins straight from the bits of the double: sign, exponent and the first 8 bits of the
 * mantissa, so that a bin is at most 1/256 = 0.39 % of its values wide, over the whole
 * range of doubles. Pages of 64 bins (a quarter of an octave) come as they are needed.
 * A sketch is a function of the values alone: order and split do not matter.
 *
 * Ownership  a zeroed struct is empty; sketch_free releases.
 * Errors     `failed` sticks when memory runs out.
 */
#ifndef RWKVMON_STATS_SKETCH_H
#define RWKVMON_STATS_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SKETCH_FEW = 64, SKETCH_PAGE_BINS = 64 };

struct sketch_page {
	uint16_t bin[SKETCH_PAGE_BINS];
	uint32_t *carry; /* (SKETCH_PAGE_BINS), times 2^16; NULL until a bin needs it */
};

/* Pages of one sign: pages[i] holds the bins of size key first + i, or is NULL. */
struct sketch_side {
	uint32_t first, n;
	struct sketch_page **page;
};

struct sketch {
	uint64_t count, zeros;
	double *few; /* the values, while there are few */
	struct sketch_side side[2]; /* positive, negative */
	uint32_t few_cap;
	bool spilled; /* into bins */
	bool failed;
};

/* [hot] v is finite. */
void sketch_add(struct sketch *s, double v);
void sketch_add_all(struct sketch *s, const double *v, size_t n);

/* [hot] The numbers v[i] / scale, or 1 - v[i] / scale; with AVX-512 eight at a time. */
void sketch_add_decimals(struct sketch *s, const int64_t *v, size_t n, double scale, bool complement);
void sketch_add_times(struct sketch *s, double v, uint64_t times);
void sketch_merge(struct sketch *into, const struct sketch *from);
void sketch_free(struct sketch *s);

/* A run of values in ascending order: count values spread evenly over low..high. */
typedef void sketch_visit(void *ctx, double low, double high, uint64_t count);
void sketch_walk(const struct sketch *s, sketch_visit *visit, void *ctx);

/* out[i] = the quantile q[i] (0..1, ascending) by linear interpolation between ranks,
 * within min..max. NAN when empty. */
void sketch_quantiles(const struct sketch *s, double min, double max, const double *q, double *out, size_t n);

#endif
