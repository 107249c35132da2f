/* range.c - the scalar loops, and the choice of faster ones. */
#define RANGE_KERNEL(name) name##_scalar
#include "stats/range_body.h"

#include "base/cpu.h"

#include <math.h>

struct real_range real_range_of_scalar(const double *v, size_t n, double scale, double most)
{
	struct real_range r = { v[0], v[0], 0 };

	for (size_t i = 0; i < n; i++) {
		double scaled = v[i] * scale;

		r.low = v[i] < r.low ? v[i] : r.low;
		r.high = v[i] > r.high ? v[i] : r.high;
		r.sum += llrint(scaled > most ? most : scaled < -most ? -most : scaled);
	}
	return r;
}

/* Rounds by adding a number so large that no fraction bits are left. */
bool range_is_plainly_other_scalar(const double *v, size_t n, double scale)
{
	const double round = 0x1.8p52;
	int all = 1;

	for (size_t i = 0; i < n; i++) {
		double near = v[i] * scale, whole = (near + round) - round;

		all &= (fabs(near) < 0x1p50) & (whole / scale != v[i]);
	}
	return all;
}

struct range range_of(const int64_t *v, size_t n)
{
#if defined(__x86_64__)
	if (n > 4 && cpu_features()->avx512)
		return range_of_avx512(v, n);
	if (n > 4 && cpu_features()->avx2)
		return range_of_avx2(v, n);
#endif
	return range_of_scalar(v, n);
}

struct real_range real_range_of(const double *v, size_t n, double scale, double most)
{
#if defined(__x86_64__)
	if (n > 4 && cpu_features()->avx512)
		return real_range_of_avx512(v, n, scale, most);
#endif
	return real_range_of_scalar(v, n, scale, most);
}

bool range_is_plainly_other(const double *v, size_t n, double scale)
{
#if defined(__x86_64__)
	if (cpu_features()->avx512)
		return range_is_plainly_other_avx512(v, n, scale);
#endif
	return range_is_plainly_other_scalar(v, n, scale);
}

int64_t range_products(const int64_t *x, const int64_t *y, size_t n)
{
#if defined(__x86_64__)
	if (cpu_features()->avx512)
		return range_products_avx512(x, y, n);
	if (cpu_features()->avx2)
		return range_products_avx2(x, y, n);
#endif
	return range_products_scalar(x, y, n);
}
