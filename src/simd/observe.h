/* observe.h - measures logits and states, each in one pass.
 *
 * Numbers  entropy and cosine agree with a double-precision reference to 4e-6 and 1e-6. A non-finite
 *          input makes the sums non-finite and is then counted in a pass of its own.
 * Cost     logits: each value is read once, and once more where the largest stands more
 *          than 22 nats above a few samples of them. State: the old and the new state are read once, and the copy is
 *          written in the same pass.
 * Threads  pure functions.
 */
#ifndef RWKVMON_SIMD_OBSERVE_H
#define RWKVMON_SIMD_OBSERVE_H

#include "base/state_sums.h"
#include "simd/half.h"

#include <stdbool.h>
#include <stddef.h>

enum value_type { VALUE_F32, VALUE_F16, VALUE_BF16, VALUE_TYPE_COUNT };

/* Bytes of one value. */
size_t value_bytes(enum value_type t);

/* Value i of an array at any alignment. */
static inline float value_float(const void *values, enum value_type t, size_t i)
{
	uint16_t half;
	float value;

	if (t == VALUE_F32) {
		memcpy(&value, (const char *)values + 4 * i, sizeof value);
		return value;
	}
	memcpy(&half, (const char *)values + 2 * i, sizeof half);
	return t == VALUE_F16 ? float_of_f16(half) : float_of_bf16(half);
}

struct logits_stats {
	double max;
	double log_sum_exp; /* ln sum e^x */
	double entropy;     /* nats: log_sum_exp - sum x e^x / sum e^x */
	double fp16_most;   /* the largest without its sign; 0: they are not given as fp16 */
	uint64_t nan, inf;  /* when either is not 0, the numbers above are NAN */
};

/* Measures n logits of type t, at any alignment, and copies them unchanged to `copy`, unless it is NULL. */
void logits_observe(const void *logits, enum value_type t, size_t n, void *copy, struct logits_stats *out);

/* Compares `old` (n floats) with `now` (n values of type t, any alignment), adds to *sums, and
 * leaves the widened values of `now` in `old`. */
void state_observe(float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums);

/* The same, without changing `old`. Non-finite values are not counted: they make the sums non-finite. */
void state_relate(const float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums);

/* --- for tests: the kernels of every instruction set ------------------------------ */

/* Over terms 2^t, t = x log2 e + offset: the reference that keeps them in range is in the offset. */
struct logits_sums {
	double offset;
	float top;            /* the largest x; NaN may be ignored */
	float fp16_low;       /* the largest -x of fp16, as top */
	double sum, weighted; /* of 2^t, of t 2^t */
};

struct observe_kernels {
	const char *name;
	bool (*runs_here)(void);
	/* Sums relative to `ref`. When all is finite, |top| < 1e30 and no t is above 32, they are right;
	 * a NaN or an infinity makes sum or weighted non-finite. */
	void (*logits)(const void *x, enum value_type t, size_t n, void *copy, float ref, struct logits_sums *out);
	/* all of *sums except nonfinite; old becomes now */
	void (*compare)(float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums);
	/* The same sums; old stays */
	void (*relate)(const float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums);
};

extern const struct observe_kernels *const observe_kernels_all[]; /* NULL-terminated; the scalar set first */

#endif
