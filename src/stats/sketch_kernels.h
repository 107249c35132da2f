/* sketch_kernels.h - the loops of sketch.c, one file per instruction set. */
#ifndef RWKVMON_STATS_SKETCH_KERNELS_H
#define RWKVMON_STATS_SKETCH_KERNELS_H

#include "stats/sketch.h"

#include <string.h>

/* A bin's number: the upper bits of the double, its sign among them. */
enum { SKETCH_BIN_SHIFT = 44, SKETCH_KEYS_AT_ONCE = 256 };

/* The middle of the bin that 2^shift of the finest ones make, so that it is found again whatever way it is rounded. */
static inline double sketch_middle(uint32_t key, int shift, bool negative)
{
	const uint64_t bits = (uint64_t)key << SKETCH_BIN_SHIFT | UINT64_C(1) << (SKETCH_BIN_SHIFT - 1 + shift);
	double v;

	memcpy(&v, &bits, sizeof v);
	return negative ? -v : v;
}

/* The bins of v[i] / scale, or of 1 - v[i] / scale; v[i] is below 2^51 in size, n <= SKETCH_KEYS_AT_ONCE. */
typedef void sketch_keys(const int64_t *v, size_t n, double scale, bool complement, uint32_t *key);
sketch_keys sketch_keys_scalar, sketch_keys_avx512;

#endif
