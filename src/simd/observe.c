/* observe.c - chooses the kernels, and handles logits for which the fixed reference does not fit; the arithmetic is in
 * observe_*.c. */
#include "simd/observe.h"

#include "base/cpu.h"
#include "simd/observe_kernels.h"

#include <math.h>
#include <pthread.h>

enum {
	SAMPLES = 32,
	STRIDE_MIN = 16,    /* values between two samples */
	LARGEST_POWER = 32, /* so that a float t is fine enough; see struct observe_kernels */
};

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

size_t value_bytes(enum value_type t)
{
	return t == VALUE_F32 ? 4 : 2;
}

/* --- logits ------------------------------------------------------------------------- */

/* The largest of a few samples spread over all values: near the maximum, and never above it. */
static float sampled_top(const void *logits, enum value_type t, size_t n)
{
	size_t stride = n / SAMPLES > STRIDE_MIN ? n / SAMPLES + 1 : STRIDE_MIN;
	float top = -INFINITY;

	for (size_t i = 0; i < n; i += stride) {
		float x = value_float(logits, t, i);

		top = x > top ? x : top;
	}
	return top;
}

static bool is_right(const struct logits_sums *s)
{
	return isfinite(s->sum) && isfinite(s->weighted) && fabsf(s->top) < 1e30F &&
	       (double)s->top * (double)OBSERVE_LOG2E + s->offset <= LARGEST_POWER;
}

/* Counts non-finite values; returns the largest of the rest. */
static float look_closely(const void *logits, enum value_type t, size_t n, struct logits_stats *out)
{
	float top = -INFINITY;

	for (size_t i = 0; i < n; i++) {
		float x = value_float(logits, t, i);

		out->nan += isnan(x) != 0;
		out->inf += isinf(x) != 0;
		top = x > top ? x : top;
	}
	return top;
}

void logits_observe(const void *logits, enum value_type t, size_t n, void *copy, struct logits_stats *out)
{
	const double ln2 = 0.69314718055994530942;
	struct logits_sums s;

	pthread_once(&once, bind);
	*out = (struct logits_stats){ .max = NAN, .log_sum_exp = NAN, .entropy = NAN };
	kernels->logits(logits, t, n, copy, sampled_top(logits, t, n), &s);
	if (!is_right(&s)) { /* non-finite values, or the maximum is far above the samples: relative to the maximum, all
			      * values fit */
		float top = look_closely(logits, t, n, out);

		if (!n || out->nan + out->inf)
			return;
		kernels->logits(logits, t, n, NULL, top, &s);
		if (!is_right(&s)) /* numbers near the limits of float */
			observe_scalar.logits(logits, t, n, NULL, top, &s);
	}
	out->max = (double)s.top;
	out->fp16_most = t == VALUE_F16 ? fmax((double)s.top, (double)s.fp16_low) : 0;
	out->log_sum_exp = (log2(s.sum) - s.offset) / (double)OBSERVE_LOG2E;
	out->entropy = fmax(0, ln2 * (log2(s.sum) - s.weighted / s.sum)); /* rounding may say -1e-8 */
}

/* --- the state ------------------------------------------------------------------------ */

static uint64_t count_nonfinite(const void *values, enum value_type t, size_t n)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += isfinite(value_float(values, t, i)) ? 0 : 1;
	return count;
}

void state_observe(float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums)
{
	struct state_sums s = { 0 };

	pthread_once(&once, bind);
	kernels->compare(old, now, t, n, &s);
	s.nonfinite = isfinite(s.new_norm2) ? 0 : count_nonfinite(now, t, n);
	state_sums_add(sums, &s);
}

void state_relate(const float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums)
{
	pthread_once(&once, bind);
	kernels->relate(old, now, t, n, sums);
}
