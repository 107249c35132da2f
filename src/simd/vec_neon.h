/* vec_neon.h - operations on one register of floats, with aarch64's Advanced SIMD; see vec_avx512.h. Only *_neon.c
 * files may include this. */
#ifndef RWKVMON_SIMD_VEC_NEON_H
#define RWKVMON_SIMD_VEC_NEON_H

#if defined(__aarch64__)

#include "simd/exp2.h"
#include "simd/linear.h"

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

typedef float32x4_t vec;

enum {
	VEC_LANES = 4,
	VEC_REGISTERS = 32,
	TILE_ROWS = 5, /* accumulators of a tile: rows x vectors; 20 of 32 registers */
	TILE_XS = 4,
};

static inline vec vec_zero(void)
{
	return vdupq_n_f32(0);
}

static inline vec vec_set1(float f)
{
	return vdupq_n_f32(f);
}

static inline vec vec_add(vec a, vec b)
{
	return vaddq_f32(a, b);
}

static inline vec vec_sub(vec a, vec b)
{
	return vsubq_f32(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
	return vmulq_f32(a, b);
}

/* a * b + c, rounded once */
static inline vec vec_fma(vec a, vec b, vec c)
{
	return vfmaq_f32(c, a, b);
}

static inline float vec_sum(vec v)
{
	return vaddvq_f32(v);
}

/* The larger of each lane; the other one where one is NaN. */
static inline vec vec_max(vec a, vec b)
{
	return vmaxnmq_f32(a, b);
}

static inline float vec_top(vec v)
{
	return vmaxnmvq_f32(v);
}

/* 2^t for t below 127, to 1e-7: a polynomial in t - floor(t), its exponent raised by floor(t).
 * 0 below -126; NaN stays NaN, infinity becomes NaN. */
static inline vec vec_exp2(vec t)
{
	vec lowest = vec_set1(-126), k = vrndmq_f32(vmaxq_f32(lowest, t)), r = vec_sub(t, k), p = vec_set1(VEC_EXP2_5);
	uint32x4_t below = vcltq_f32(t, lowest);

	p = vec_fma(p, r, vec_set1(VEC_EXP2_4));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_3));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_2));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_1));
	p = vec_fma(p, r, vec_set1(VEC_EXP2_0));
	p = vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vcvtq_s32_f32(k), 23)));
	return vbslq_f32(below, vdupq_n_f32(0), p);
}

static inline vec vec_load(const float *p)
{
	return vld1q_f32(p);
}

/* The first n < VEC_LANES floats, zero behind them; nothing further is read. */
static inline vec vec_load_part(const float *p, size_t n)
{
	float padded[VEC_LANES] = { 0 };

	memcpy(padded, p, n * sizeof *p);
	return vld1q_f32(padded);
}

static inline void vec_store(float *p, vec v)
{
	vst1q_f32(p, v);
}

static inline void vec_store_part(float *p, vec v, size_t n)
{
	float lanes[VEC_LANES];

	vst1q_f32(lanes, v);
	memcpy(p, lanes, n * sizeof *p);
}

static inline vec vec_of_bf16(uint16x4_t h)
{
	return vreinterpretq_f32_u32(vshll_n_u16(h, 16));
}

static inline vec vec_of_f16(uint16x4_t h)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

static inline vec vec_of_u8(uint8x8_t b)
{
	return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(b))));
}

/* VEC_LANES weights from element i on, widened. */
static inline vec vec_load_weight(const void *w, size_t i, enum weight_type type)
{
	if (type == WEIGHT_F32)
		return vld1q_f32((const float *)w + i);
	if (type == WEIGHT_F16)
		return vec_of_f16(vld1_u16((const uint16_t *)w + i));
	if (type == WEIGHT_U8) {
		uint32_t four;

		memcpy(&four, (const uint8_t *)w + i, sizeof four);
		return vec_of_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
	}
	return vec_of_bf16(vld1_u16((const uint16_t *)w + i));
}

/* 2 * VEC_LANES weights from element i on, one load for both registers where they are narrow. */
static inline void vec_load_pair(const void *w, size_t i, enum weight_type type, vec *first, vec *second)
{
	if (type == WEIGHT_F32) {
		*first = vld1q_f32((const float *)w + i);
		*second = vld1q_f32((const float *)w + i + VEC_LANES);
	} else if (type == WEIGHT_U8) {
		uint16x8_t both = vmovl_u8(vld1_u8((const uint8_t *)w + i));

		*first = vcvtq_f32_u32(vmovl_u16(vget_low_u16(both)));
		*second = vcvtq_f32_u32(vmovl_high_u16(both));
	} else {
		uint16x8_t both = vld1q_u16((const uint16_t *)w + i);
		uint16x4_t low = vget_low_u16(both), high = vget_high_u16(both);

		*first = type == WEIGHT_F16 ? vec_of_f16(low) : vec_of_bf16(low);
		*second = type == WEIGHT_F16 ? vec_of_f16(high) : vec_of_bf16(high);
	}
}

/* 2 * VEC_LANES inputs in the order of vec_load_pair: as they lie. */
static inline void vec_arrange_pair(float *out, const float *x, enum weight_type type)
{
	(void)type;
	memcpy(out, x, 2 * VEC_LANES * sizeof *out);
}

static inline vec vec_load_weight_part(const void *w, size_t i, size_t n, enum weight_type type)
{
	uint16_t padded[VEC_LANES] = { 0 };

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
