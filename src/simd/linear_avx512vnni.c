/* linear_avx512vnni.c - AVX-512 with VNNI: the kernels of linear_avx512.c, and an additional one for bytes times a
 * single x.
 *
 * Widening bytes to floats costs more than reading them, so here x becomes fixed point instead: 31 bits below
 * its largest element, cut into four signed bytes, each multiplied with 64 weights by one instruction. The sums are
 * exact integers; the error is at most 2^-31 of the largest |x| per element, less than the rounding of fp32 sums. */
#if defined(__x86_64__)

#include "base/cpu.h"
#include "simd/vec_avx512.h"

#include "simd/linear_tiles.h"

#include <float.h>

extern const struct linear_kernels linear_avx512vnni;

enum { DIGITS = 4, BLOCK = 64 }; /* base 256; weights per instruction */

typedef int8_t digits[DIGITS][STREAM_COLS];

/* Largest |x|, or 0 when fixed point will not do: a value is not finite, or all are next to nothing. */
static float magnitude(const float *x, size_t n)
{
	vec top = vec_zero(), limit = vec_set1(FLT_MAX);
	float m;

	for (size_t i = 0; i < n; i += VEC_LANES) {
		vec v = _mm512_abs_ps(n - i < VEC_LANES ? vec_load_part(x + i, n - i) : vec_load(x + i));

		if (_mm512_cmp_ps_mask(v, limit, _CMP_NLE_UQ))
			return 0;
		top = _mm512_max_ps(top, v);
	}
	m = _mm512_reduce_max_ps(top);
	return m > 1e-20F ? m : 0;
}

/* x (n) times `scale`, rounded, least digit first; zeros up to the next whole block. */
static void cut(digits out, const float *x, size_t n, float scale)
{
	for (size_t i = 0; i < (n + BLOCK - 1) / BLOCK * BLOCK; i += VEC_LANES) {
		vec v = n >= i + VEC_LANES ? vec_load(x + i) : n > i ? vec_load_part(x + i, n - i) : vec_zero();
		__m512i rest = _mm512_cvtps_epi32(_mm512_mul_ps(v, vec_set1(scale)));

		UNROLL for (int k = 0; k < DIGITS; k++)
		{
			__m512i digit = _mm512_srai_epi32(_mm512_slli_epi32(rest, 24), 24);

			_mm_storeu_si128((void *)(out[k] + i), _mm512_cvtepi32_epi8(digit));
			rest = _mm512_srai_epi32(_mm512_sub_epi32(rest, digit), 8);
		}
	}
}

/* Lanes stay below 2^24, so that they are floats exactly: 4,096 columns are 64 steps of at most 4 * 255 * 128. */
ALWAYS_INLINE float join(const __m512i sum[DIGITS])
{
	vec all = _mm512_cvtepi32_ps(sum[DIGITS - 1]);

	UNROLL for (int k = DIGITS - 2; k >= 0; k--) all = vec_fma(all, vec_set1(256), _mm512_cvtepi32_ps(sum[k]));
	return vec_sum(all);
}

/* Columns c0 .. c0 + cols - 1 of `streams` rows, `step` apart. Rounds after the first add to y. */
ALWAYS_INLINE void bytes_stream(const struct linear_args *a, const digits d, size_t r, size_t step, size_t c0,
				size_t cols, size_t streams, float unit)
{
	__m512i sum[STREAMS][DIGITS];

	UNROLL for (size_t s = 0; s < streams; s++) UNROLL for (int k = 0; k < DIGITS; k++) sum[s][k] =
		_mm512_setzero_si512();
	for (size_t c = 0; c < cols; c += BLOCK) {
		__mmask64 part = cols - c < BLOCK ? (1ULL << (cols - c)) - 1 : ~0ULL;
		__m512i x[DIGITS];

		UNROLL for (int k = 0; k < DIGITS; k++) x[k] = _mm512_loadu_si512(d[k] + c);
		UNROLL for (size_t s = 0; s < streams; s++)
		{
			__m512i w = _mm512_maskz_loadu_epi8(part, (const uint8_t *)a->w + (r + s * step) * a->w_stride +
									  c0 + c);

			UNROLL for (int k = 0; k < DIGITS; k++) sum[s][k] = _mm512_dpbusd_epi32(sum[s][k], w, x[k]);
		}
	}
	UNROLL for (size_t s = 0; s < streams; s++)
	{
		float *y = a->y + r + s * step, product = join(sum[s]) * unit;

		*y = c0 ? *y + product : product;
	}
}

static void rows_bytes(const struct linear_args *a)
{
	size_t quarter = a->rows / STREAMS;
	float m = a->n == 1 ? magnitude(a->x, a->cols) : 0, unit = m * 0x1p-30F;
	digits d;

	if (m == 0) {
		rows_u8(a);
		return;
	}
	for (size_t c0 = 0; c0 < a->cols; c0 += STREAM_COLS) {
		size_t cols = a->cols - c0 < STREAM_COLS ? a->cols - c0 : STREAM_COLS;

		cut(d, a->x + c0, cols, 0x1p30F / m);
		for (size_t r = 0; r < quarter; r++)
			bytes_stream(a, d, r, quarter, c0, cols, STREAMS, unit);
		for (size_t r = quarter * STREAMS; r < a->rows; r++)
			bytes_stream(a, d, r, 0, c0, cols, 1, unit);
	}
}

static bool runs_here(void)
{
	return cpu_features()->avx512vnni;
}

const struct linear_kernels linear_avx512vnni = {
	.name = "avx512vnni",
	.runs_here = runs_here,
	.by_rows = { rows_f32, rows_f16, rows_bf16, rows_bytes },
	.by_columns = { columns_f32, columns_f16, columns_bf16, columns_u8 },
	.nonzero_columns = { nonzero_f32, nonzero_f16, nonzero_bf16, nonzero_u8 },
	.dot = dot,
	.layer_norm = layer_norm,
};

#else
typedef int linear_avx512vnni_is_for_x86; /* an empty file is no C */
#endif
