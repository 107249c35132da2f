/* wkv.h - the recurrent updates of RWKV, one head and one token at a time.
 *
 * An update reads every element of the old state and writes the new one, so measuring the state's change here costs
 * almost nothing: pass a struct state_sums, and the sums are added to it (short runs in float, the total in double;
 * `nonfinite` is not counted); with NULL they are not computed.
 *
 * Ownership  nothing is kept.
 * Threads    pure functions; any number of threads.
 * Cost       nothing allocates.
 * Errors     none. NaN and infinity propagate into the sums.
 */
#ifndef RWKVMON_SIMD_WKV_H
#define RWKVMON_SIMD_WKV_H

#include "base/state_sums.h"

#include <stdbool.h>
#include <stddef.h>

/* RWKV-7, one head of n channels. State rows belong to v, columns to k:
 *     S <- S diag(w) - (S kappa) b^T + v k^T        o = S r   (the new S)
 * Source: RWKV-7 "Goose", time mixing; b = kappa * a, kappa of length 1. */
struct wkv7_args {
	float *o;                               /* (n) */
	float *s;                               /* (n, n) */
	const float *r, *w, *k, *v, *kappa, *b; /* (n) */
	size_t n;
	struct state_sums *change;
};

/* RWKV-5 and -6, one head of n channels. State rows belong to k, columns to v:
 *     o = r^T (diag(u) k v^T + S)   (the old S)        S <- diag(w) S + k v^T
 * Source: RWKV-5 "Eagle" and RWKV-6 "Finch", time mixing. */
struct wkv6_args {
	float *o;                       /* (n) */
	float *s;                       /* (n, n) */
	const float *r, *w, *k, *v, *u; /* (n) */
	size_t n;
	struct state_sums *change;
};

struct wkv_kernels {
	const char *name;
	bool (*runs_here)(void);
	void (*wkv7)(const struct wkv7_args *args);
	void (*wkv6)(const struct wkv6_args *args);
	/* Adds the change from `was` to `is`, (n) each. */
	void (*compare)(struct state_sums *change, const float *was, const float *is, size_t n);
};

/* Every set that was compiled in, ended by NULL; scalar comes first. */
extern const struct wkv_kernels *const wkv_all[];

/* Chosen once. */
const struct wkv_kernels *wkv_kernels(void);

#endif
