/* sketch_avx512.c - the bin numbers of eight values at a time. */
#if defined(__x86_64__)
#include "stats/sketch_kernels.h"

#include <immintrin.h>

void sketch_keys_avx512(const int64_t *v, size_t n, double scale, bool complement, uint32_t *key)
{
	const __m512d by = _mm512_set1_pd(scale), one = _mm512_set1_pd(1);
	const __mmask8 mirrored = complement ? 0xff : 0;

	for (size_t i = 0; i < n; i += 8) {
		__mmask8 rest = (__mmask8)(n - i >= 8 ? 0xff : (1u << (n - i)) - 1);
		__m512d x = _mm512_div_pd(_mm512_cvtepi64_pd(_mm512_maskz_loadu_epi64(rest, v + i)), by);
		__m512i bits = _mm512_castpd_si512(_mm512_mask_sub_pd(x, mirrored, one, x));

		_mm512_mask_cvtepi64_storeu_epi32(key + i, rest, _mm512_srli_epi64(bits, SKETCH_BIN_SHIFT));
	}
}
#else
typedef int no_avx512_here; /* a translation unit is not empty */
#endif
