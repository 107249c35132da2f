/* observe_scalar.c - the reference every other set is tested against, right for any range. */
#include "simd/observe_kernels.h"

#include <math.h>
#include <string.h>

static bool always(void)
{
	return true;
}

static void logits(const void *x, enum value_type t, size_t n, void *copy, float ref, struct logits_sums *out)
{
	*out = (struct logits_sums){ .offset = -(double)ref * (double)OBSERVE_LOG2E,
				     .top = -INFINITY,
				     .fp16_low = -INFINITY };
	for (size_t i = 0; i < n; i++) {
		float value = value_float(x, t, i);
		double power = (double)value * (double)OBSERVE_LOG2E + out->offset, term = exp2(power);

		out->top = value > out->top ? value : out->top;
		out->fp16_low = -value > out->fp16_low ? -value : out->fp16_low;
		out->sum += term;
		out->weighted += power * term;
	}
	if (copy)
		memcpy(copy, x, n * value_bytes(t));
}

static void relate(const float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums)
{
	for (size_t i = 0; i < n; i++) {
		double a = (double)old[i], b = (double)value_float(now, t, i);

		sums->dot += a * b;
		sums->old_norm2 += a * a;
		sums->new_norm2 += b * b;
		sums->change_norm2 += (b - a) * (b - a);
		sums->fp16_most2 = t == VALUE_F16 && b * b > sums->fp16_most2 ? b * b : sums->fp16_most2;
	}
}

static void compare(float *old, const void *now, enum value_type t, size_t n, struct state_sums *sums)
{
	relate(old, now, t, n, sums);
	for (size_t i = 0; i < n; i++)
		old[i] = value_float(now, t, i);
}

const struct observe_kernels observe_scalar = { "scalar", always, logits, compare, relate };
