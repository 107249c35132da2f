/* wkv_steps.h - the kernels of wkv.h over `vec`; a vec_*.h comes before it. */
#ifndef RWKVMON_SIMD_WKV_STEPS_H
#define RWKVMON_SIMD_WKV_STEPS_H

#if defined(RWKVMON_SIMD_VEC_AVX512_H) || defined(RWKVMON_SIMD_VEC_AVX2_H) || defined(RWKVMON_SIMD_VEC_NEON_H)

#include "simd/wkv.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { WATCH_ROWS = 8 }; /* rows whose sums stay in float before they join the double ones */

struct watched {
	vec dot, was, is, change;
};

ALWAYS_INLINE vec load_upto(const float *p, size_t left)
{
	return left >= VEC_LANES ? vec_load(p) : vec_load_part(p, left);
}

ALWAYS_INLINE void store_upto(float *p, vec v, size_t left)
{
	if (left >= VEC_LANES)
		vec_store(p, v);
	else
		vec_store_part(p, v, left);
}

ALWAYS_INLINE struct watched watched_none(void)
{
	return (struct watched){ vec_zero(), vec_zero(), vec_zero(), vec_zero() };
}

ALWAYS_INLINE void watch(struct watched *sums, vec was, vec is)
{
	vec d = vec_sub(is, was);

	sums->dot = vec_fma(was, is, sums->dot);
	sums->was = vec_fma(was, was, sums->was);
	sums->is = vec_fma(is, is, sums->is);
	sums->change = vec_fma(d, d, sums->change);
}

static inline void watched_flush(struct state_sums *change, struct watched *sums)
{
	change->dot += (double)vec_sum(sums->dot);
	change->old_norm2 += (double)vec_sum(sums->was);
	change->new_norm2 += (double)vec_sum(sums->is);
	change->change_norm2 += (double)vec_sum(sums->change);
	*sums = watched_none();
}

static void compare(struct state_sums *change, const float *was, const float *is, size_t n)
{
	struct watched sums = watched_none();

	for (size_t i = 0; i < n; i += VEC_LANES) {
		watch(&sums, load_upto(was + i, n - i), load_upto(is + i, n - i));
		if (i / VEC_LANES % 32 == 31)
			watched_flush(change, &sums);
	}
	watched_flush(change, &sums);
}

ALWAYS_INLINE void wkv7_row(const struct wkv7_args *a, size_t i, struct watched *sums)
{
	size_t n = a->n;
	float *s = a->s + i * n;
	vec removed = vec_zero(), o = vec_zero(), v = vec_set1(a->v[i]);

	for (size_t j = 0; j < n; j += VEC_LANES)
		removed = vec_fma(load_upto(s + j, n - j), load_upto(a->kappa + j, n - j), removed);
	removed = vec_set1(-vec_sum(removed));
	for (size_t j = 0; j < n; j += VEC_LANES) {
		size_t left = n - j;
		vec was = load_upto(s + j, left), is = vec_mul(was, load_upto(a->w + j, left));

		is = vec_fma(removed, load_upto(a->b + j, left), is);
		is = vec_fma(v, load_upto(a->k + j, left), is);
		store_upto(s + j, is, left);
		o = vec_fma(is, load_upto(a->r + j, left), o);
		if (sums)
			watch(sums, was, is);
	}
	a->o[i] = vec_sum(o);
}

static void wkv7(const struct wkv7_args *a)
{
	struct watched sums = watched_none();

	if (!a->change) {
		for (size_t i = 0; i < a->n; i++)
			wkv7_row(a, i, NULL);
		return;
	}
	for (size_t i = 0; i < a->n; i++) {
		wkv7_row(a, i, &sums);
		if (i % WATCH_ROWS == WATCH_ROWS - 1)
			watched_flush(a->change, &sums);
	}
	watched_flush(a->change, &sums);
}

/* Columns j .. j + VEC_LANES - 1 of all rows. The part of o that the old state does not
 * touch, (sum r u k) v, comes in as `bonus`. */
ALWAYS_INLINE void wkv6_columns(const struct wkv6_args *a, size_t j, float bonus, struct watched *sums)
{
	size_t n = a->n, left = n - j;
	vec v = load_upto(a->v + j, left), o = vec_mul(vec_set1(bonus), v);

	for (size_t i = 0; i < n; i++) {
		float *s = a->s + i * n + j;
		vec was = load_upto(s, left), is = vec_mul(vec_set1(a->k[i]), v);

		o = vec_fma(vec_set1(a->r[i]), was, o);
		is = vec_fma(vec_set1(a->w[i]), was, is);
		store_upto(s, is, left);
		if (!sums)
			continue;
		watch(sums, was, is);
		if (i % (4 * WATCH_ROWS) == 4 * WATCH_ROWS - 1)
			watched_flush(a->change, sums);
	}
	store_upto(a->o + j, o, left);
	if (sums)
		watched_flush(a->change, sums);
}

static void wkv6(const struct wkv6_args *a)
{
	struct watched sums = watched_none();
	float bonus = 0;

	for (size_t i = 0; i < a->n; i++)
		bonus += a->r[i] * a->u[i] * a->k[i];
	for (size_t j = 0; j < a->n; j += VEC_LANES) {
		if (a->change)
			wkv6_columns(a, j, bonus, &sums);
		else
			wkv6_columns(a, j, bonus, NULL);
	}
}

#define WKV_TABLE .wkv7 = wkv7, .wkv6 = wkv6, .compare = compare

#endif
#endif
