/* range_avx512.c - the loops of range.c, eight numbers at a time. */
#if defined(__x86_64__)
#include "stats/range_kernels.h"

#include <immintrin.h>

static inline __mmask8 rest_of(size_t n)
{
	return (__mmask8)(n >= 8 ? 0xff : (1u << n) - 1);
}

/* Squares are of the low 32 bits: right where numbers are small. */
struct range range_of_avx512(const int64_t *v, size_t n)
{
	__m512i low = _mm512_set1_epi64(v[0]), high = low, sum = _mm512_setzero_si512(), squares = sum;

	for (size_t i = 0; i < n; i += 8) {
		__mmask8 rest = rest_of(n - i);
		__m512i x = _mm512_maskz_loadu_epi64(rest, v + i);

		low = _mm512_mask_min_epi64(low, rest, low, x);
		high = _mm512_mask_max_epi64(high, rest, high, x);
		sum = _mm512_add_epi64(sum, x);
		squares = _mm512_add_epi64(squares, _mm512_mul_epi32(x, x));
	}
	struct range r = { _mm512_reduce_min_epi64(low), _mm512_reduce_max_epi64(high), _mm512_reduce_add_epi64(sum),
			   0 };

	if (range_is_small(&r)) /* else the sum would overflow */
		r.squares = _mm512_reduce_add_epi64(squares);
	return r;
}

struct real_range real_range_of_avx512(const double *v, size_t n, double scale, double most)
{
	const __m512d by = _mm512_set1_pd(scale), limit = _mm512_set1_pd(most), below = _mm512_set1_pd(-most);
	__m512d low = _mm512_set1_pd(v[0]), high = low;
	__m512i sum = _mm512_setzero_si512();

	for (size_t i = 0; i < n; i += 8) {
		__mmask8 rest = rest_of(n - i);
		__m512d x = _mm512_maskz_loadu_pd(rest, v + i);

		low = _mm512_mask_min_pd(low, rest, low, x);
		high = _mm512_mask_max_pd(high, rest, high, x);
		sum = _mm512_add_epi64(
			sum, _mm512_cvtpd_epi64(_mm512_max_pd(below, _mm512_min_pd(limit, _mm512_mul_pd(x, by)))));
	}
	return (struct real_range){ _mm512_reduce_min_pd(low), _mm512_reduce_max_pd(high),
				    _mm512_reduce_add_epi64(sum) };
}

bool range_is_plainly_other_avx512(const double *v, size_t n, double scale)
{
	const __m512d by = _mm512_set1_pd(scale), round = _mm512_set1_pd(0x1.8p52), most = _mm512_set1_pd(0x1p50);
	unsigned all = 0xff;

	for (size_t i = 0; i < n; i += 8) {
		__mmask8 rest = rest_of(n - i), small;
		__m512d x = _mm512_maskz_loadu_pd(rest, v + i), near = _mm512_mul_pd(x, by);
		__m512d whole = _mm512_sub_pd(_mm512_add_pd(near, round), round);

		small = _mm512_cmp_pd_mask(_mm512_abs_pd(near), most, _CMP_LT_OQ);
		all &= _mm512_mask_cmp_pd_mask(small, _mm512_div_pd(whole, by), x, _CMP_NEQ_OQ) | (unsigned)~rest;
	}
	return (all & 0xff) == 0xff;
}

int64_t range_products_avx512(const int64_t *x, const int64_t *y, size_t n)
{
	__m512i sum = _mm512_setzero_si512();

	for (size_t i = 0; i < n; i += 8) {
		__mmask8 rest = rest_of(n - i);

		sum = _mm512_add_epi64(sum, _mm512_mul_epi32(_mm512_maskz_loadu_epi64(rest, x + i),
							     _mm512_maskz_loadu_epi64(rest, y + i)));
	}
	return _mm512_reduce_add_epi64(sum);
}
#else
typedef int no_avx512_here; /* a translation unit is not empty */
#endif
