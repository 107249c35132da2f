/* observe.c - blocks, types and the choice of kernels; the arithmetic is in observe_*.c. */
#include "simd/observe.h"

#include "base/cpu.h"
#include "simd/observe_kernels.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { BLOCK = 1024 }; /* floats: 4 KiB, so that the second look at a block hits L1 */

const struct observe_kernels *const observe_kernels_all[] = {
	&observe_scalar,
#if defined(__x86_64__)
	&observe_avx2,
	&observe_avx512,
#elif defined(__aarch64__)
	&observe_neon,
#endif
	NULL,
};

static const struct observe_kernels *kernels = &observe_scalar;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void bind(void)
{
	for (size_t i = 0; observe_kernels_all[i]; i++)
		if (observe_kernels_all[i]->runs_here())
			kernels = observe_kernels_all[i];
}

size_t dtype_bytes(enum dtype t)
{
	return t == DTYPE_F32 ? 4 : 2;
}

/* The block of n values at index i as floats: in place where that is possible, else in `room`. */
static const float *block_at(const void *values, enum dtype t, size_t i, size_t n, float room[BLOCK])
{
	const void *at = (const char *)values + i * dtype_bytes(t);

	if (t == DTYPE_F32 && (uintptr_t)at % sizeof(float) == 0)
		return at;
	if (t == DTYPE_F32)
		memcpy(room, at, n * sizeof *room);
	else
		kernels->widen(room, at, t, n);
	return room;
}

static void count_nonfinite(const float *x, size_t n, uint64_t *nan, uint64_t *inf)
{
	for (size_t i = 0; i < n; i++) {
		*nan += isnan(x[i]) != 0;
		*inf += isinf(x[i]) != 0;
	}
}

static void count_logits(const void *logits, enum dtype t, size_t n, struct logits_stats *out)
{
	float room[BLOCK];

	*out = (struct logits_stats){ .max = NAN, .log_sum_exp = NAN, .entropy = NAN };
	for (size_t i = 0; i < n; i += BLOCK) {
		size_t m = n - i < BLOCK ? n - i : BLOCK;

		count_nonfinite(block_at(logits, t, i, m, room), m, &out->nan, &out->inf);
	}
}

void logits_observe(const void *logits, enum dtype t, size_t n, float *copy, struct logits_stats *out)
{
	double sum = 0, weighted = 0;
	float ref = -INFINITY, room[BLOCK];

	pthread_once(&once, bind);
	for (size_t i = 0; i < n; i += BLOCK) {
		size_t m = n - i < BLOCK ? n - i : BLOCK;
		const float *x = block_at(logits, t, i, m, room);
		float top = kernels->max(x, m);

		if (copy)
			memcpy(copy + i, x, m * sizeof *x);
		if (top > ref) { /* the sums move to the new reference */
			double shift = (double)ref - (double)top, factor = i ? exp(shift) : 0;

			weighted = i ? factor * (weighted + shift * sum) : 0;
			sum *= factor;
			ref = top;
		}
		kernels->exp_sums(x, m, ref, &sum, &weighted);
	}
	*out = (struct logits_stats){ .max = ref, .log_sum_exp = ref + log(sum), .entropy = log(sum) - weighted / sum };
	if (!isfinite(out->entropy) || !isfinite(out->log_sum_exp))
		count_logits(logits, t, n, out);
	else if (out->entropy < 0)
		out->entropy = 0; /* rounding */
}

static void count_state(const void *now, enum dtype t, size_t n, struct state_sums *sums)
{
	uint64_t nan = 0, inf = 0;
	float room[BLOCK];

	for (size_t i = 0; i < n; i += BLOCK) {
		size_t m = n - i < BLOCK ? n - i : BLOCK;

		count_nonfinite(block_at(now, t, i, m, room), m, &nan, &inf);
	}
	sums->nonfinite += nan + inf;
}

void state_observe(float *old, const void *now, enum dtype t, size_t n, struct state_sums *sums)
{
	struct state_sums s = { 0 };
	float room[BLOCK];

	pthread_once(&once, bind);
	for (size_t i = 0; i < n; i += BLOCK) {
		size_t m = n - i < BLOCK ? n - i : BLOCK;

		kernels->compare(old + i, block_at(now, t, i, m, room), m, &s);
	}
	if (!isfinite(s.new2))
		count_state(now, t, n, &s);
	sums->dot += s.dot;
	sums->old2 += s.old2;
	sums->new2 += s.new2;
	sums->change2 += s.change2;
	sums->nonfinite += s.nonfinite;
}
