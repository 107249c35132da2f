/* vec_avx512.h - operations on one register of floats, with AVX-512. Kernels are written in terms of `vec`; vec_avx2.h
 * defines the same operations with AVX2. Only *_avx512.c files may include this. */
#ifndef RWKVMON_SIMD_VEC_AVX512_H
#define RWKVMON_SIMD_VEC_AVX512_H

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)

#include "simd/exp2.h"
#include "simd/linear.h"

#include <immintrin.h>
#include <stdint.h>

typedef __m512 vec;

enum {
	VEC_LANES = 16,
	VEC_REGISTERS = 32,
	TILE_ROWS = 6, /* accumulators of a tile: rows x vectors; 24 of 32 registers */
	TILE_XS = 4,
};

static inline __mmask16 vec_mask(size_t n)
{
	return (__mmask16)((1U << n) - 1);
}

static inline vec vec_zero(void)
{
	return _mm512_setzero_ps();
}

static inline vec vec_set1(float f)
{
	return _mm512_set1_ps(f);
}

static inline vec vec_add(vec a, vec b)
{
	return _mm512_add_ps(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
	return _mm512_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
	return _mm512_mul_ps(a, b);
}

/* a * b + c, rounded once */
static inline vec vec_fma(vec a, vec b, vec c)
{
	return _mm512_fmadd_ps(a, b, c);
}

static inline float vec_sum(vec v)
{
	return _mm512_reduce_add_ps(v);
}

/* The larger of each lane; b where one is NaN. */
static inline vec vec_max(vec a, vec b)
{
	return _mm512_max_ps(a, b);
}

static inline float vec_top(vec v)
{
	return _mm512_reduce_max_ps(v);
}

/* 2^t for t below 127, to 1e-7: a polynomial in t - floor(t), which scalef shifts by floor(t). Below
 * -126 it goes to 0 through the subnormals; NaN stays NaN, infinity infinity. */
static inline vec vec_exp2(vec t)
{
	vec r = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC), p = vec_set1(VEC_EXP2_5);

	p = vec_fma(p, r, vec_set1(VEC_EXP2_4));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_3));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_2));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_1));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_0));
	return _mm512_scalef_ps(p, t);
}

static inline vec vec_load(const float *p)
{
	return _mm512_loadu_ps(p);
}

/* The first n < VEC_LANES floats, zero behind them; nothing further is read. */
static inline vec vec_load_part(const float *p, size_t n)
{
	return _mm512_maskz_loadu_ps(vec_mask(n), p);
}

static inline void vec_store(float *p, vec v)
{
	_mm512_storeu_ps(p, v);
}

static inline void vec_store_part(float *p, vec v, size_t n)
{
	_mm512_mask_storeu_ps(p, vec_mask(n), v);
}

static inline vec vec_of_bf16(__m256i h)
{
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

static inline vec vec_of_u8(__m128i b)
{
	return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(b));
}

/* VEC_LANES weights from element i on, widened. */
static inline vec vec_load_weight(const void *w, size_t i, enum weight_type type)
{
	if (type == WEIGHT_F32)
		return _mm512_loadu_ps((const float *)w + i);
	if (type == WEIGHT_F16)
		return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)((const uint16_t *)w + i)));
	if (type == WEIGHT_U8)
		return vec_of_u8(_mm_loadu_si128((const void *)((const uint8_t *)w + i)));
	return vec_of_bf16(_mm256_loadu_si256((const void *)((const uint16_t *)w + i)));
}

/* 2 * VEC_LANES weights from element i on, in the order that is cheapest to widen: bf16 pairs
 * share a 32-bit lane, so the even ones come first, then the odd ones; others as they lie. */
static inline void vec_load_pair(const void *w, size_t i, enum weight_type type, vec *first, vec *second)
{
	if (type == WEIGHT_BF16) {
		__m512i both = _mm512_loadu_si512((const uint16_t *)w + i);

		*first = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
		*second = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32(-0x10000)));
		return;
	}
	*first = vec_load_weight(w, i, type);
	*second = vec_load_weight(w, i + VEC_LANES, type);
}

/* 2 * VEC_LANES inputs put into that order. */
static inline void vec_arrange_pair(float *out, const float *x, enum weight_type type)
{
	const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
	vec a = vec_load(x), b = vec_load(x + VEC_LANES);

	if (type != WEIGHT_BF16) {
		vec_store(out, a);
		vec_store(out + VEC_LANES, b);
		return;
	}
	vec_store(out, _mm512_permutex2var_ps(a, even, b));
	vec_store(out + VEC_LANES, _mm512_permutex2var_ps(a, _mm512_add_epi32(even, _mm512_set1_epi32(1)), b));
}

static inline vec vec_load_weight_part(const void *w, size_t i, size_t n, enum weight_type type)
{
	if (type == WEIGHT_F32)
		return vec_load_part((const float *)w + i, n);
	if (type == WEIGHT_F16)
		return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(vec_mask(n), (const uint16_t *)w + i));
	if (type == WEIGHT_U8)
		return vec_of_u8(_mm_maskz_loadu_epi8(vec_mask(n), (const uint8_t *)w + i));
	return vec_of_bf16(_mm256_maskz_loadu_epi16(vec_mask(n), (const uint16_t *)w + i));
}

#endif
#endif
