/* observe_steps.h - the kernels of observe.h over `vec`; a vec_*.h comes before it.
 *
 * Logits: one pass around a fixed reference. A term is 2^t with t = x log2 e + offset; neither a
 * maximum before nor a shift of the sums in between is needed as long as the largest t stays
 * under 32, which the caller checks by `top`. All that is done per value: fma, 2^t, max, add, fma.
 *
 * CHAINS sums run side by side, so that no addition waits for the one before; they are float for
 * a block and double from block to block.
 */
#ifndef RWKVMON_SIMD_OBSERVE_STEPS_H
#define RWKVMON_SIMD_OBSERVE_STEPS_H

#if defined(RWKVMON_SIMD_VEC_AVX512_H) || defined(RWKVMON_SIMD_VEC_AVX2_H) || defined(RWKVMON_SIMD_VEC_NEON_H)

#include "simd/observe_kernels.h"

#include <math.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

_Static_assert((int)VALUE_F32 == (int)WEIGHT_F32 && (int)VALUE_F16 == (int)WEIGHT_F16 &&
		       (int)VALUE_BF16 == (int)WEIGHT_BF16,
	       "values are loaded as weights are");

enum {
	CHAINS = VEC_REGISTERS / 8, /* three sums each; the polynomial's constants want room too */
	STEP = CHAINS * VEC_LANES,
	BLOCK = 16384,              /* values whose terms are summed in float … */
	COMPARED = 128 * VEC_LANES, /* … and whose squares are */
};
_Static_assert(CHAINS % 2 == 0 && BLOCK % STEP == 0, "whole pairs and steps make up a block");

/* Its term is 0 and so is t times it, and no logit that these sums are right for is below. */
static const float FILLER = -1.7e38F;

struct chain {
	vec top, sum, weighted, low;
};

ALWAYS_INLINE void chain_add(struct chain *c, vec x, vec offset, enum weight_type type)
{
	vec t = vec_fma(x, vec_set1(OBSERVE_LOG2E), offset), term = vec_exp2(t);

	c->top = vec_max(x, c->top);
	c->sum = vec_add(c->sum, term);
	c->weighted = vec_fma(t, term, c->weighted);
	if (type == WEIGHT_F16)
		c->low = vec_max(vec_sub(vec_zero(), x), c->low);
}

ALWAYS_INLINE void chains_flush(struct chain c[CHAINS], enum weight_type type, struct logits_sums *out)
{
	for (int k = 1; k < CHAINS; k++) {
		c->top = vec_max(c[k].top, c->top);
		c->sum = vec_add(c->sum, c[k].sum);
		c->weighted = vec_add(c->weighted, c[k].weighted);
		if (type == WEIGHT_F16)
			c->low = vec_max(c[k].low, c->low);
	}
	if (type == WEIGHT_F16)
		out->fp16_low = fmaxf(out->fp16_low, vec_top(c->low));
	out->top = fmaxf(out->top, vec_top(c->top));
	out->sum += (double)vec_sum(c->sum);
	out->weighted += (double)vec_sum(c->weighted);
}

/* Floats are stored from the registers they were loaded into. */
ALWAYS_INLINE void copy_pair(char *to, const char *from, enum weight_type type, vec a, vec b)
{
	if (type == WEIGHT_F32) {
		vec_store((float *)(void *)to, a);
		vec_store((float *)(void *)to + VEC_LANES, b);
	} else {
		memcpy(to, from, sizeof(vec)); /* two lanes' halves fill one */
	}
}

/* n is a multiple of STEP, at most BLOCK. The order of values within a pair does not matter here. */
ALWAYS_INLINE void logits_block(const char *x, enum weight_type type, size_t n, char *copy, vec offset,
				struct logits_sums *out)
{
	const size_t bytes = type == WEIGHT_F32 ? 4 : 2;
	struct chain c[CHAINS];

	UNROLL for (int k = 0; k < CHAINS; k++) c[k] =
		(struct chain){ vec_set1(-INFINITY), vec_zero(), vec_zero(), vec_set1(-INFINITY) };
	for (size_t i = 0; i < n; i += STEP) {
		UNROLL for (size_t k = 0; k < CHAINS; k += 2)
		{
			vec a, b;

			vec_load_pair(x, i + k * VEC_LANES, type, &a, &b);
			chain_add(&c[k], a, offset, type);
			chain_add(&c[k + 1], b, offset, type);
			if (copy)
				copy_pair(copy + (i + k * VEC_LANES) * bytes, x + (i + k * VEC_LANES) * bytes, type, a,
					  b);
		}
	}
	chains_flush(c, type, out);
}

/* Fewer than STEP values. */
static inline void logits_rest(const char *x, enum value_type t, size_t n, vec offset, struct logits_sums *out)
{
	float room[STEP];

	for (size_t i = 0; i < STEP; i++)
		room[i] = i < n ? value_float(x, t, i) : FILLER;
	logits_block((const char *)room, WEIGHT_F32, STEP, NULL, offset, out);
	for (size_t i = 0; t == VALUE_F16 && i < n; i++)
		out->fp16_low = fmaxf(out->fp16_low, -room[i]);
}

ALWAYS_INLINE void logits_of(const char *x, enum value_type t, size_t n, char *copy, float ref, struct logits_sums *out)
{
	const size_t bytes = t == VALUE_F32 ? 4 : 2, whole = n - n % STEP;
	const vec offset = vec_set1(-ref * OBSERVE_LOG2E);

	*out = (struct logits_sums){ .offset = (double)(-ref * OBSERVE_LOG2E),
				     .top = -INFINITY,
				     .fp16_low = -INFINITY };
	for (size_t i = 0; i < whole; i += BLOCK) {
		size_t m = whole - i < BLOCK ? whole - i : BLOCK;

		if (copy)
			logits_block(x + i * bytes, (enum weight_type)t, m, copy + i * bytes, offset, out);
		else
			logits_block(x + i * bytes, (enum weight_type)t, m, NULL, offset, out);
	}
	if (copy && whole < n)
		memcpy(copy + whole * bytes, x + whole * bytes, (n - whole) * bytes);
	if (whole < n)
		logits_rest(x + whole * bytes, t, n - whole, offset, out);
}

static void logits(const void *x, enum value_type t, size_t n, void *copy, float ref, struct logits_sums *out)
{
	if (t == VALUE_F32)
		logits_of(x, VALUE_F32, n, copy, ref, out);
	else if (t == VALUE_F16)
		logits_of(x, VALUE_F16, n, copy, ref, out);
	else
		logits_of(x, VALUE_BF16, n, copy, ref, out);
}

/* --- the state ------------------------------------------------------------------------ */

struct compared {
	vec dot, old_norm2, new_norm2, change_norm2, most2;
};

/* The square of an fp16 value is exact. */
ALWAYS_INLINE void compared_add(struct compared *c, vec old, vec now, enum weight_type type)
{
	vec d = vec_sub(now, old);

	c->dot = vec_fma(old, now, c->dot);
	c->old_norm2 = vec_fma(old, old, c->old_norm2);
	c->new_norm2 = vec_fma(now, now, c->new_norm2);
	c->change_norm2 = vec_fma(d, d, c->change_norm2);
	if (type == WEIGHT_F16)
		c->most2 = vec_max(vec_mul(now, now), c->most2);
}

ALWAYS_INLINE void compared_flush(const struct compared c[2], enum weight_type type, struct state_sums *sums)
{
	sums->dot += (double)vec_sum(vec_add(c[0].dot, c[1].dot));
	sums->old_norm2 += (double)vec_sum(vec_add(c[0].old_norm2, c[1].old_norm2));
	sums->new_norm2 += (double)vec_sum(vec_add(c[0].new_norm2, c[1].new_norm2));
	sums->change_norm2 += (double)vec_sum(vec_add(c[0].change_norm2, c[1].change_norm2));
	if (type == WEIGHT_F16)
		sums->fp16_most2 = fmax(sums->fp16_most2, (double)vec_top(vec_max(c[0].most2, c[1].most2)));
}

/* `renewed` is `old`, which becomes now; or NULL, known when this is compiled: nothing is written. */
ALWAYS_INLINE void compare_rest(struct compared *c, const float *old, float *renewed, const void *now,
				enum weight_type type, size_t n)
{
	size_t whole = n - n % VEC_LANES, rest = n - whole;

	if (whole) {
		vec is = vec_load_weight(now, 0, type);

		compared_add(c, vec_load(old), is, type);
		if (renewed)
			vec_store(renewed, is);
	}
	if (rest) {
		vec is = vec_load_weight_part(now, whole, rest, type);

		compared_add(c, vec_load_part(old + whole, rest), is, type);
		if (renewed)
			vec_store_part(renewed + whole, is, rest);
	}
}

/* At most COMPARED values. */
ALWAYS_INLINE void compare_block(const float *old, float *renewed, const char *now, enum weight_type type, size_t n,
				 struct state_sums *sums)
{
	const struct compared none = { vec_zero(), vec_zero(), vec_zero(), vec_zero(), vec_zero() };
	const size_t bytes = type == WEIGHT_F32 ? 4 : 2;
	struct compared c[2] = { none, none };
	size_t i = 0;

	for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
		vec a = vec_load_weight(now, i, type), b = vec_load_weight(now, i + VEC_LANES, type);

		compared_add(&c[0], vec_load(old + i), a, type);
		compared_add(&c[1], vec_load(old + i + VEC_LANES), b, type);
		if (renewed) {
			vec_store(renewed + i, a);
			vec_store(renewed + i + VEC_LANES, b);
		}
	}
	compare_rest(c, old + i, renewed ? renewed + i : NULL, now + i * bytes, type, n - i);
	compared_flush(c, type, sums);
}

ALWAYS_INLINE void compare_of(const float *old, float *renewed, const char *now, enum weight_type type, size_t n,
			      struct state_sums *sums)
{
	for (size_t i = 0; i < n; i += COMPARED)
		compare_block(old + i, renewed ? renewed + i : NULL, now + i * (type == WEIGHT_F32 ? 4 : 2), type,
			      n - i < COMPARED ? n - i : COMPARED, sums);
}

static void compare(float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums)
{
	if (t == VALUE_F32)
		compare_of(old, old, now, WEIGHT_F32, n, sums);
	else if (t == VALUE_F16)
		compare_of(old, old, now, WEIGHT_F16, n, sums);
	else
		compare_of(old, old, now, WEIGHT_BF16, n, sums);
}

static void relate(const float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums)
{
	if (t == VALUE_F32)
		compare_of(old, NULL, now, WEIGHT_F32, n, sums);
	else if (t == VALUE_F16)
		compare_of(old, NULL, now, WEIGHT_F16, n, sums);
	else
		compare_of(old, NULL, now, WEIGHT_BF16, n, sums);
}

#define OBSERVE_TABLE .logits = logits, .compare = compare, .relate = relate

#endif
#endif
