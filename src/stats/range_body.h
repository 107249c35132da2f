/* range_body.h - the loops of range.c over whole numbers, which the compiler turns into vectors: compiled once for each
 * instruction set, under the names of RANGE_KERNEL. */
#include "stats/range_kernels.h"

#ifdef RANGE_KERNEL

struct range RANGE_KERNEL(range_of)(const int64_t *v, size_t n)
{
	int64_t low = v[0], high = v[0];
	uint64_t sum = 0, squares = 0; /* they wrap only where they are not used */

	for (size_t i = 0; i < n; i++) {
		low = v[i] < low ? v[i] : low;
		high = v[i] > high ? v[i] : high;
		sum += (uint64_t)v[i];
		squares += (uint64_t)v[i] * (uint64_t)v[i];
	}
	return (struct range){ low, high, (int64_t)sum, (int64_t)squares };
}

int64_t RANGE_KERNEL(range_products)(const int64_t *x, const int64_t *y, size_t n)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] * y[i];
	return sum;
}

#endif
