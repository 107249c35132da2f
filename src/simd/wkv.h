/* wkv.h - the recurrent updates of RWKV, one head and one token at a time.
 *
 * An update reads every element of the old state and writes the new one, so it is the
 * place where "how much did the state change" costs next to nothing: pass a
 * struct wkv_change and the sums are added to it, pass NULL and they are not taken.
 *
 * Ownership  nothing is kept.
 * Threads    pure functions; any number of threads.
 * Cost       nothing allocates.
 * Errors     none. NaN and infinity travel into the sums.
 */
#ifndef RWKVMON_SIMD_WKV_H
#define RWKVMON_SIMD_WKV_H

#include <stdbool.h>
#include <stddef.h>

/* Sums over elements; short runs are added in float, the total in double. */
struct wkv_change {
	double dot;       /* old * new */
	double old_norm2; /* old^2 */
	double new_norm2; /* new^2 */
	double change_norm2; /* (new - old)^2 */
};

/* RWKV-7, one head of n channels. State rows belong to v, columns to k:
 *     S <- S diag(w) - (S kappa) b^T + v k^T        o = S r   (the new S)
 * Source: RWKV-7 "Goose", time mixing; b = kappa * a, kappa of length 1. */
struct wkv7_args {
	float *o;                               /* (n) */
	float *s;                               /* (n, n) */
	const float *r, *w, *k, *v, *kappa, *b; /* (n) */
	size_t n;
	struct wkv_change *change;
};

/* RWKV-5 and -6, one head of n channels. State rows belong to k, columns to v:
 *     o = r^T (diag(u) k v^T + S)   (the old S)        S <- diag(w) S + k v^T
 * Source: RWKV-5 "Eagle" and RWKV-6 "Finch", time mixing. */
struct wkv6_args {
	float *o;                         /* (n) */
	float *s;                         /* (n, n) */
	const float *r, *w, *k, *v, *u;   /* (n) */
	size_t n;
	struct wkv_change *change;
};

struct wkv_kernels {
	const char *name;
	bool (*runs_here)(void);
	void (*wkv7)(const struct wkv7_args *args);
	void (*wkv6)(const struct wkv6_args *args);
	/* Adds the change from `was` to `is`, (n) each. */
	void (*compare)(struct wkv_change *change, const float *was, const float *is, size_t n);
};

/* Every set that was compiled in, ended by NULL; scalar comes first. */
extern const struct wkv_kernels *const wkv_all[];

/* Chosen once. */
const struct wkv_kernels *wkv_kernels(void);

#endif
