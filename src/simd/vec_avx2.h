/* vec_avx2.h - operations on one register of floats, with AVX2; see vec_avx512.h. Only *_avx2.c files may include
 * this. */
#ifndef RWKVMON_SIMD_VEC_AVX2_H
#define RWKVMON_SIMD_VEC_AVX2_H

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include "simd/exp2.h"
#include "simd/linear.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m256 vec;

enum {
	VEC_LANES = 8,
	VEC_REGISTERS = 16,
	TILE_ROWS = 3, /* 12 accumulators, 3 weights, 1 input: all 16 registers */
	TILE_XS = 4,
};

static inline vec vec_zero(void)
{
	return _mm256_setzero_ps();
}

static inline vec vec_set1(float f)
{
	return _mm256_set1_ps(f);
}

static inline vec vec_add(vec a, vec b)
{
	return _mm256_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
	return _mm256_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
	return _mm256_mul_ps(a, b);
}

/* a * b + c, rounded once */
static inline vec vec_fma(vec a, vec b, vec c)
{
	return _mm256_fmadd_ps(a, b, c);
}

static inline float vec_sum(vec v)
{
	__m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	s = _mm_add_ps(s, _mm_movehl_ps(s, s));
	return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* The larger of each lane; b where one is NaN. */
static inline vec vec_max(vec a, vec b)
{
	return _mm256_max_ps(a, b);
}

static inline float vec_top(vec v)
{
	__m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	m = _mm_max_ps(m, _mm_movehl_ps(m, m));
	return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

/* 2^t for t below 127, to 1e-7: a polynomial in t - floor(t), its exponent raised by floor(t).
 * 0 below -126; NaN stays NaN, infinity becomes NaN. */
static inline vec vec_exp2(vec t)
{
	vec lowest = vec_set1(-126), below = _mm256_cmp_ps(t, lowest, _CMP_LT_OQ);
	vec k = _mm256_floor_ps(_mm256_max_ps(lowest, t)), r = vec_sub(t, k), p = vec_set1(VEC_EXP2_5);

	p = vec_fma(p, r, vec_set1(VEC_EXP2_4));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_3));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_2));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_1));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_0));
	p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_cvtps_epi32(k), 23)));
	return _mm256_andnot_ps(below, p);
}

static inline vec vec_load(const float *p)
{
	return _mm256_loadu_ps(p);
}

/* All ones in the first n lanes. */
static inline __m256i vec_mask(size_t n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first n < VEC_LANES floats, zero behind them; nothing further is read. */
static inline vec vec_load_part(const float *p, size_t n)
{
	return _mm256_maskload_ps(p, vec_mask(n));
}

static inline void vec_store(float *p, vec v)
{
	_mm256_storeu_ps(p, v);
}

static inline void vec_store_part(float *p, vec v, size_t n)
{
	_mm256_maskstore_ps(p, vec_mask(n), v);
}

static inline vec vec_of_bf16(__m128i h)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

static inline vec vec_of_u8(__m128i b)
{
	return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(b));
}

/* VEC_LANES weights from element i on, widened. */
static inline vec vec_load_weight(const void *w, size_t i, enum weight_type type)
{
	if (type == WEIGHT_F32)
		return _mm256_loadu_ps((const float *)w + i);
	if (type == WEIGHT_F16)
		return _mm256_cvtph_ps(_mm_loadu_si128((const void *)((const uint16_t *)w + i)));
	if (type == WEIGHT_U8)
		return vec_of_u8(_mm_loadl_epi64((const void *)((const uint8_t *)w + i)));
	return vec_of_bf16(_mm_loadu_si128((const void *)((const uint16_t *)w + i)));
}

/* 2 * VEC_LANES weights from element i on, in the order that is cheapest to widen: bf16 pairs
 * share a 32-bit lane, so the even ones come first, then the odd ones; others as they lie. */
static inline void vec_load_pair(const void *w, size_t i, enum weight_type type, vec *first, vec *second)
{
	if (type == WEIGHT_BF16) {
		__m256i both = _mm256_loadu_si256((const void *)((const uint16_t *)w + i));

		*first = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
		*second = _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(-0x10000)));
		return;
	}
	*first = vec_load_weight(w, i, type);
	*second = vec_load_weight(w, i + VEC_LANES, type);
}

/* 2 * VEC_LANES inputs put into that order. */
static inline void vec_arrange_pair(float *out, const float *x, enum weight_type type)
{
	for (int i = 0; i < VEC_LANES; i++) {
		out[i] = x[type == WEIGHT_BF16 ? 2 * i : i];
		out[VEC_LANES + i] = x[type == WEIGHT_BF16 ? 2 * i + 1 : VEC_LANES + i];
	}
}

static inline vec vec_load_weight_part(const void *w, size_t i, size_t n, enum weight_type type)
{
	uint16_t padded[8] = { 0 };

	if (type == WEIGHT_F32)
		return vec_load_part((const float *)w + i, n);
	if (type == WEIGHT_U8)
		memcpy(padded, (const uint8_t *)w + i, n);
	else
		memcpy(padded, (const uint16_t *)w + i, n * sizeof *padded);
	return vec_load_weight(padded, 0, type);
}

#endif
#endif
