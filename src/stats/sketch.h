/* sketch.h - quantiles of any number of values in bounded memory.
 *
 * Up to SKETCH_FEW values are stored, and quantiles are then exact. More values are counted in bins given directly by
 * the bits of the double: sign, exponent and the first 8 bits of the mantissa, so that a bin is at most 1/256 = 0.39 %
 * of its values wide, over the whole range of doubles. Pages of 64 bins (a quarter of an octave) are allocated when
 * needed. A sketch depends only on the values, not on their order or split.
 *
 * Ownership  a zeroed struct is empty; sketch_free releases.
 * Errors     `failed` sticks when memory runs out.
 */
#ifndef RWKVMON_STATS_SKETCH_H
#define RWKVMON_STATS_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
	double *few;                /* the values, while there are at most SKETCH_FEW */
	struct sketch_side side[2]; /* positive, negative */
	uint32_t few_cap;
	bool spilled; /* values have been moved into bins */
	bool failed;
};

/* [hot] v is finite. */
void sketch_add(struct sketch *s, double v);
void sketch_add_all(struct sketch *s, const double *v, size_t n);

/* [hot] The numbers v[i] / scale, or 1 - v[i] / scale, v[i] below 2^51 in size; with AVX-512 eight at a time. */
void sketch_add_decimals(struct sketch *s, const int64_t *v, size_t n, double scale, bool complement);
void sketch_add_times(struct sketch *s, double v, uint64_t times);

/* Values of a bin that is 2^shift of the sketch's own wide, 0..SKETCH_SHIFT_MOST, and begins with the bin of that key;
 * they are spread evenly over those. */
enum { SKETCH_SHIFT_MOST = 4 };
struct sketch_run {
	double value; /* in the middle of the bin; 0: zeros */
	uint64_t n;
	uint32_t key; /* a multiple of 2^shift */
	uint8_t shift;
};

/* How wide its bin is. */
static inline double sketch_run_width(const struct sketch_run *run)
{
	uint64_t bits;
	double power;

	memcpy(&bits, &run->value, sizeof bits);
	bits &= UINT64_C(0x7ff) << 52;
	memcpy(&power, &bits, sizeof power);
	return power * (double)(1u << run->shift) / 256;
}

void sketch_add_run(struct sketch *s, const struct sketch_run *run);

void sketch_merge(struct sketch *into, const struct sketch *from);
void sketch_free(struct sketch *s);

/* A run of values in ascending order: count values spread evenly over low..high. */
typedef void sketch_visit(void *ctx, double low, double high, uint64_t count);
void sketch_walk(const struct sketch *s, sketch_visit *visit, void *ctx);

/* out[i] = the quantile q[i] (0..1, ascending) by linear interpolation between ranks,
 * within min..max. NAN when empty. */
void sketch_quantiles(const struct sketch *s, double min, double max, const double *q, double *out, size_t n);

#endif
