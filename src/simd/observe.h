/* observe.h - one pass over logits, one pass over the state.
 *
 * Numbers  entropy and cosine agree with a double-precision reference to 1e-5 and 1e-6.
 *          A non-finite input makes the sums non-finite and is then counted in a second pass.
 * Cost     logits: each value is read once from memory (twice from L1). State: old and
 *          new are read once, the copy is written in the same pass.
 * Threads  pure functions.
 */
#ifndef RWKVMON_SIMD_OBSERVE_H
#define RWKVMON_SIMD_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_COUNT };

/* Bytes of one value. */
size_t dtype_bytes(enum dtype t);

struct logits_stats {
	double max;
	double log_sum_exp; /* ln sum e^x */
	double entropy;	    /* nats: log_sum_exp - sum x e^x / sum e^x */
	uint64_t nan, inf;  /* when either is not 0, the numbers above are NAN */
};

/* Of n logits of type t. The values, widened, also go to copy (n floats) unless it is NULL. */
void logits_observe(const void *logits, enum dtype t, size_t n, float *copy, struct logits_stats *out);

/* Sums over a state or a part of it; add up over tensors. */
struct state_sums {
	double dot;    /* sum old * new */
	double old2;   /* sum old^2 */
	double new2;   /* sum new^2 */
	double change2; /* sum (new - old)^2 */
	uint64_t nonfinite; /* values of new that are NaN or Inf */
};

/* Compares `old` (n floats) with `now` (n values of type t), adds to *sums, and leaves the
 * widened values of `now` in `old`. */
void state_observe(float *old, const void *now, enum dtype t, size_t n, struct state_sums *sums);

/* --- for tests: the kernels of every instruction set ------------------------------ */

struct observe_kernels {
	const char *name;
	bool (*runs_here)(void);
	float (*max)(const float *x, size_t n); /* n > 0; NaN may be ignored */
	/* *sum += sum e^(x-ref), *weighted += sum (x-ref) e^(x-ref) */
	void (*exp_sums)(const float *x, size_t n, float ref, double *sum, double *weighted);
	/* n values of type t, not DTYPE_F32 and at any alignment, as floats */
	void (*widen)(float *to, const void *from, enum dtype t, size_t n);
	/* dot, old2, new2, change2 of *sums; old becomes now */
	void (*compare)(float *old, const float *now, size_t n, struct state_sums *sums);
};

extern const struct observe_kernels *const observe_kernels_all[]; /* NULL-terminated; the scalar set first */

#endif
