/* observe_avx2.c - 8 lanes; tails go through a masked load so that nothing past n is read. */
#if defined(__x86_64__)
#include "simd/observe_kernels.h"

#include "base/cpu.h"
#include "simd/half.h"

#include <immintrin.h>
#include <math.h>

static bool runs_here(void)
{
	return cpu_features()->avx2;
}

static __m256i tail_mask(size_t left)
{
	const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)left), lane);
}

static __m256 load_tail(const float *x, size_t left, float filler)
{
	__m256i mask = tail_mask(left);

	return _mm256_blendv_ps(_mm256_set1_ps(filler), _mm256_maskload_ps(x, mask), _mm256_castsi256_ps(mask));
}

static double sum_lanes(__m256 v)
{
	float lane[8];
	double sum = 0;

	_mm256_storeu_ps(lane, v);
	for (int i = 0; i < 8; i++)
		sum += (double)lane[i];
	return sum;
}

static float max_of(const float *x, size_t n)
{
	__m256 top = _mm256_set1_ps(-INFINITY);
	float lane[8], best;
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		top = _mm256_max_ps(_mm256_loadu_ps(x + i), top);
	if (i < n)
		top = _mm256_max_ps(load_tail(x + i, n - i, -INFINITY), top);
	_mm256_storeu_ps(lane, top);
	best = lane[0];
	for (int k = 1; k < 8; k++)
		best = lane[k] > best ? lane[k] : best;
	return best;
}

/* e^d for d <= 0: 2^k * p(r), r = d - k ln 2 in [-ln2/2, ln2/2], p the Taylor polynomial of
 * degree 6 (relative error 1e-7). Below -87 the result is 0; NaN stays NaN. */
static __m256 exp8(__m256 d)
{
	const __m256 floor_d = _mm256_set1_ps(-87.0f);
	__m256 too_small = _mm256_cmp_ps(d, floor_d, _CMP_LT_OQ);
	__m256 c = _mm256_max_ps(floor_d, d); /* NaN in d is kept: max returns its second operand then */
	__m256 k = _mm256_round_ps(_mm256_mul_ps(c, _mm256_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
	__m256 r = _mm256_fnmadd_ps(k, _mm256_set1_ps(0.693145752f), c);
	__m256 p = _mm256_set1_ps(1.0f / 720);

	r = _mm256_fnmadd_ps(k, _mm256_set1_ps(1.42860677e-6f), r);
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 120));
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 24));
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f / 6));
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
	p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(
				     _mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127)), 23)));
	return _mm256_andnot_ps(too_small, p);
}

static void exp_sums(const float *x, size_t n, float ref, double *sum, double *weighted)
{
	__m256 r = _mm256_set1_ps(ref), s0 = _mm256_setzero_ps(), s1 = s0, w0 = s0, w1 = s0;
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m256 d0 = _mm256_sub_ps(_mm256_loadu_ps(x + i), r), d1 = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8), r);
		__m256 e0 = exp8(d0), e1 = exp8(d1);

		s0 = _mm256_add_ps(s0, e0);
		s1 = _mm256_add_ps(s1, e1);
		w0 = _mm256_fmadd_ps(d0, e0, w0);
		w1 = _mm256_fmadd_ps(d1, e1, w1);
	}
	for (; i < n; i += 8) {
		size_t left = n - i < 8 ? n - i : 8;
		__m256 live = _mm256_castsi256_ps(tail_mask(left));
		__m256 d = _mm256_sub_ps(load_tail(x + i, left, ref), r), e = _mm256_and_ps(exp8(d), live);

		s0 = _mm256_add_ps(s0, e);
		w0 = _mm256_fmadd_ps(d, e, w0);
	}
	*sum += sum_lanes(s0) + sum_lanes(s1);
	*weighted += sum_lanes(w0) + sum_lanes(w1);
}

static void widen(float *to, const void *from, enum dtype t, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m128i half = _mm_loadu_si128((const __m128i *)(const void *)((const char *)from + 2 * i));

		_mm256_storeu_ps(to + i, t == DTYPE_F16 ? _mm256_cvtph_ps(half) :
							  _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16)));
	}
	for (; i < n; i++) {
		uint16_t half;

		memcpy(&half, (const char *)from + 2 * i, sizeof half);
		to[i] = t == DTYPE_F16 ? float_of_f16(half) : float_of_bf16(half);
	}
}

static void compare(float *old, const float *now, size_t n, struct state_sums *sums)
{
	__m256 dot = _mm256_setzero_ps(), a2 = dot, b2 = dot, c2 = dot;

	for (size_t i = 0; i < n; i += 8) {
		size_t left = n - i < 8 ? n - i : 8;
		__m256i mask = tail_mask(left);
		__m256 a = _mm256_maskload_ps(old + i, mask), b = _mm256_maskload_ps(now + i, mask);
		__m256 c = _mm256_sub_ps(b, a);

		dot = _mm256_fmadd_ps(a, b, dot);
		a2 = _mm256_fmadd_ps(a, a, a2);
		b2 = _mm256_fmadd_ps(b, b, b2);
		c2 = _mm256_fmadd_ps(c, c, c2);
		_mm256_maskstore_ps(old + i, mask, b);
	}
	sums->dot += sum_lanes(dot);
	sums->old2 += sum_lanes(a2);
	sums->new2 += sum_lanes(b2);
	sums->change2 += sum_lanes(c2);
}

const struct observe_kernels observe_avx2 = { "avx2", runs_here, max_of, exp_sums, widen, compare };
#else
typedef int observe_avx2_is_for_x86;
#endif
