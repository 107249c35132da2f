/* observe_neon.c - 4 lanes; tails are padded on the stack so that nothing past n is read. */
#if defined(__aarch64__)
#include "simd/observe_kernels.h"

#include "base/cpu.h"
#include "simd/half.h"

#include <arm_neon.h>
#include <math.h>

enum { LANES = 4 };

static bool runs_here(void)
{
	return cpu_features()->neon;
}

/* The first `left` < LANES floats, `filler` behind them. */
static float32x4_t load_tail(const float *x, size_t left, float filler)
{
	float lane[LANES] = { filler, filler, filler, filler };

	memcpy(lane, x, left * sizeof *lane);
	return vld1q_f32(lane);
}

static double sum_lanes(float32x4_t v)
{
	return vaddvq_f64(vaddq_f64(vcvt_f64_f32(vget_low_f32(v)), vcvt_high_f64_f32(v)));
}

static float max_of(const float *x, size_t n)
{
	float32x4_t top = vdupq_n_f32(-INFINITY), v;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		v = vld1q_f32(x + i);
		top = vbslq_f32(vcgtq_f32(v, top), v, top); /* a NaN is never greater */
	}
	if (i < n) {
		v = load_tail(x + i, n - i, -INFINITY);
		top = vbslq_f32(vcgtq_f32(v, top), v, top);
	}
	return vmaxvq_f32(top);
}

/* e^d for d <= 0: 2^k * p(r), r = d - k ln 2 in [-ln2/2, ln2/2], p the Taylor polynomial of
 * degree 6 (relative error 1e-7). Below -87 the result is 0; NaN stays NaN. */
static float32x4_t exp4(float32x4_t d)
{
	const float32x4_t floor_d = vdupq_n_f32(-87.0f);
	uint32x4_t too_small = vcltq_f32(d, floor_d);
	float32x4_t c = vmaxq_f32(floor_d, d); /* keeps NaN */
	float32x4_t k = vrndnq_f32(vmulq_f32(c, vdupq_n_f32(1.44269504f)));
	float32x4_t r = vfmsq_f32(c, k, vdupq_n_f32(0.693145752f));
	float32x4_t p = vdupq_n_f32(1.0f / 720);

	r = vfmsq_f32(r, k, vdupq_n_f32(1.42860677e-6f));
	p = vfmaq_f32(vdupq_n_f32(1.0f / 120), p, r);
	p = vfmaq_f32(vdupq_n_f32(1.0f / 24), p, r);
	p = vfmaq_f32(vdupq_n_f32(1.0f / 6), p, r);
	p = vfmaq_f32(vdupq_n_f32(0.5f), p, r);
	p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
	p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
	p = vmulq_f32(p, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(k), vdupq_n_s32(127)), 23)));
	return vbslq_f32(too_small, vdupq_n_f32(0), p);
}

static void exp_sums(const float *x, size_t n, float ref, double *sum, double *weighted)
{
	float32x4_t r = vdupq_n_f32(ref), s0 = vdupq_n_f32(0), s1 = s0, w0 = s0, w1 = s0;
	size_t i = 0;

	for (; i + 2 * LANES <= n; i += 2 * LANES) {
		float32x4_t d0 = vsubq_f32(vld1q_f32(x + i), r), d1 = vsubq_f32(vld1q_f32(x + i + LANES), r);
		float32x4_t e0 = exp4(d0), e1 = exp4(d1);

		s0 = vaddq_f32(s0, e0);
		s1 = vaddq_f32(s1, e1);
		w0 = vfmaq_f32(w0, d0, e0);
		w1 = vfmaq_f32(w1, d1, e1);
	}
	for (; i < n; i++) { /* at most 7, one in lane 0 */
		float32x4_t d = vsetq_lane_f32(x[i] - ref, vdupq_n_f32(-INFINITY), 0), e = exp4(d);

		s0 = vaddq_f32(s0, e);
		w0 = vfmaq_f32(w0, vsetq_lane_f32(x[i] - ref, vdupq_n_f32(0), 0), e);
	}
	*sum += sum_lanes(s0) + sum_lanes(s1);
	*weighted += sum_lanes(w0) + sum_lanes(w1);
}

static void widen(float *to, const void *from, enum dtype t, size_t n)
{
	const unsigned char *bytes = from;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		uint16x4_t half = vreinterpret_u16_u8(vld1_u8(bytes + 2 * i));

		vst1q_f32(to + i, t == DTYPE_F16 ? vcvt_f32_f16(vreinterpret_f16_u16(half)) :
						   vreinterpretq_f32_u32(vshll_n_u16(half, 16)));
	}
	for (; i < n; i++) {
		uint16_t half;

		memcpy(&half, bytes + 2 * i, sizeof half);
		to[i] = t == DTYPE_F16 ? float_of_f16(half) : float_of_bf16(half);
	}
}

static void compare(float *old, const float *now, size_t n, struct state_sums *sums)
{
	float32x4_t dot = vdupq_n_f32(0), a2 = dot, b2 = dot, c2 = dot;

	for (size_t i = 0; i < n; i += LANES) {
		size_t left = n - i < LANES ? n - i : LANES;
		float32x4_t a = left == LANES ? vld1q_f32(old + i) : load_tail(old + i, left, 0);
		float32x4_t b = left == LANES ? vld1q_f32(now + i) : load_tail(now + i, left, 0);
		float32x4_t c = vsubq_f32(b, a);

		dot = vfmaq_f32(dot, a, b);
		a2 = vfmaq_f32(a2, a, a);
		b2 = vfmaq_f32(b2, b, b);
		c2 = vfmaq_f32(c2, c, c);
	}
	memcpy(old, now, n * sizeof *old);
	sums->dot += sum_lanes(dot);
	sums->old2 += sum_lanes(a2);
	sums->new2 += sum_lanes(b2);
	sums->change2 += sum_lanes(c2);
}

const struct observe_kernels observe_neon = { "neon", runs_here, max_of, exp_sums, widen, compare };
#else
typedef int observe_neon_is_for_arm;
#endif
