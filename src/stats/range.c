#include "stats/range_kernels.h"

#include "base/cpu.h"

struct range range_of_scalar(const int64_t *v, size_t n)
{
	struct range r = { v[0], v[0], 0, 0 };
	uint64_t squares = 0; /* wraps where they are not small, and means nothing there */

	for (size_t i = 0; i < n; i++) {
		r.low = v[i] < r.low ? v[i] : r.low;
		r.high = v[i] > r.high ? v[i] : r.high;
		r.sum += v[i];
		squares += (uint64_t)v[i] * (uint64_t)v[i];
	}
	r.squares = (int64_t)squares;
	return r;
}

int64_t range_products_scalar(const int64_t *x, const int64_t *y, size_t n)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += x[i] * y[i];
	return sum;
}

struct range range_of(const int64_t *v, size_t n)
{
#if defined(__x86_64__)
	if (n > 4 && cpu_features()->avx512)
		return range_of_avx512(v, n);
#endif
	return range_of_scalar(v, n);
}

int64_t range_products(const int64_t *x, const int64_t *y, size_t n)
{
#if defined(__x86_64__)
	if (cpu_features()->avx512)
		return range_products_avx512(x, y, n);
#endif
	return range_products_scalar(x, y, n);
}
