/* observe_avx512.c - 16 lanes, masked tails. */
#if defined(__x86_64__)
#include "simd/observe_kernels.h"

#include "base/cpu.h"

#include <immintrin.h>
#include <math.h>

static bool runs_here(void)
{
	return cpu_features()->avx512;
}

static __mmask16 tail_mask(size_t left)
{
	return (__mmask16)(left >= 16 ? 0xffffu : (1u << left) - 1);
}

static float max_of(const float *x, size_t n)
{
	const __m512 lowest = _mm512_set1_ps(-INFINITY);
	__m512 top = lowest;

	for (size_t i = 0; i < n; i += 16)
		top = _mm512_max_ps(_mm512_mask_loadu_ps(lowest, tail_mask(n - i), x + i), top);
	return _mm512_reduce_max_ps(top);
}

/* e^d for d <= 0: 2^k * p(r), r in [-ln2/2, ln2/2], p the Taylor polynomial of degree 6
 * (relative error 1e-7); vscalefps underflows by itself and keeps NaN. */
static __m512 exp16(__m512 d)
{
	__m512 k = _mm512_roundscale_ps(_mm512_mul_ps(d, _mm512_set1_ps(1.44269504f)),
					_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
	__m512 r = _mm512_fnmadd_ps(k, _mm512_set1_ps(0.693145752f), d);
	__m512 p = _mm512_set1_ps(1.0f / 720);

	r = _mm512_fnmadd_ps(k, _mm512_set1_ps(1.42860677e-6f), r);
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 120));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 24));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f / 6));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
	return _mm512_scalef_ps(p, k);
}

static void exp_sums(const float *x, size_t n, float ref, double *sum, double *weighted)
{
	__m512 r = _mm512_set1_ps(ref), s0 = _mm512_setzero_ps(), s1 = s0, w0 = s0, w1 = s0;
	size_t i = 0;

	for (; i + 32 <= n; i += 32) {
		__m512 d0 = _mm512_sub_ps(_mm512_loadu_ps(x + i), r), d1 = _mm512_sub_ps(_mm512_loadu_ps(x + i + 16), r);
		__m512 e0 = exp16(d0), e1 = exp16(d1);

		s0 = _mm512_add_ps(s0, e0);
		s1 = _mm512_add_ps(s1, e1);
		w0 = _mm512_fmadd_ps(d0, e0, w0);
		w1 = _mm512_fmadd_ps(d1, e1, w1);
	}
	for (; i < n; i += 16) {
		__mmask16 live = tail_mask(n - i);
		__m512 d = _mm512_sub_ps(_mm512_mask_loadu_ps(r, live, x + i), r);
		__m512 e = _mm512_maskz_mov_ps(live, exp16(d));

		s0 = _mm512_add_ps(s0, e);
		w0 = _mm512_fmadd_ps(d, e, w0);
	}
	*sum += (double)_mm512_reduce_add_ps(_mm512_add_ps(s0, s1));
	*weighted += (double)_mm512_reduce_add_ps(_mm512_add_ps(w0, w1));
}

static void widen(float *to, const void *from, enum dtype t, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		__mmask16 live = tail_mask(n - i);
		__m256i half = _mm256_maskz_loadu_epi16(live, (const char *)from + 2 * i);

		_mm512_mask_storeu_ps(to + i, live, t == DTYPE_F16 ? _mm512_cvtph_ps(half) :
								     _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16)));
	}
}

static void compare(float *old, const float *now, size_t n, struct state_sums *sums)
{
	__m512 dot = _mm512_setzero_ps(), a2 = dot, b2 = dot, c2 = dot;

	for (size_t i = 0; i < n; i += 16) {
		__mmask16 live = tail_mask(n - i);
		__m512 a = _mm512_maskz_loadu_ps(live, old + i), b = _mm512_maskz_loadu_ps(live, now + i);
		__m512 c = _mm512_sub_ps(b, a);

		dot = _mm512_fmadd_ps(a, b, dot);
		a2 = _mm512_fmadd_ps(a, a, a2);
		b2 = _mm512_fmadd_ps(b, b, b2);
		c2 = _mm512_fmadd_ps(c, c, c2);
		_mm512_mask_storeu_ps(old + i, live, b);
	}
	sums->dot += (double)_mm512_reduce_add_ps(dot);
	sums->old2 += (double)_mm512_reduce_add_ps(a2);
	sums->new2 += (double)_mm512_reduce_add_ps(b2);
	sums->change2 += (double)_mm512_reduce_add_ps(c2);
}

const struct observe_kernels observe_avx512 = { "avx512", runs_here, max_of, exp_sums, widen, compare };
#else
typedef int observe_avx512_is_for_x86;
#endif
