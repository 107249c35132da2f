/* observe_scalar.c - the reference every other set is tested against. */
#include "simd/half.h"
#include "simd/observe_kernels.h"

#include <math.h>

static bool always(void)
{
	return true;
}

static float max_of(const float *x, size_t n)
{
	float top = x[0];

	for (size_t i = 1; i < n; i++)
		top = x[i] > top ? x[i] : top;
	return top;
}

static void exp_sums(const float *x, size_t n, float ref, double *sum, double *weighted)
{
	for (size_t i = 0; i < n; i++) {
		double d = (double)x[i] - (double)ref, e = exp(d);

		*sum += e;
		*weighted += d * e;
	}
}

static void widen(float *to, const void *from, enum dtype t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint16_t half;

		memcpy(&half, (const char *)from + 2 * i, sizeof half);
		to[i] = t == DTYPE_F16 ? float_of_f16(half) : float_of_bf16(half);
	}
}

static void compare(float *old, const float *now, size_t n, struct state_sums *sums)
{
	for (size_t i = 0; i < n; i++) {
		double a = old[i], b = now[i];

		sums->dot += a * b;
		sums->old2 += a * a;
		sums->new2 += b * b;
		sums->change2 += (b - a) * (b - a);
		old[i] = now[i];
	}
}

const struct observe_kernels observe_scalar = { "scalar", always, max_of, exp_sums, widen, compare };
