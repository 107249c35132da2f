/* Every kernel this CPU runs, every tail length, NaN and Inf included, against the scalar set. */
#include "test.h"

#include "simd/half.h"
#include "simd/observe.h"

#include <math.h>

static uint64_t seed = 88172645463325252u;

static float random_float(float low, float high)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return low + (high - low) * (float)(seed >> 40) / 16777216.0f;
}

/* Exact size, so that ASan sees one float too far. */
static float *floats(size_t n, float low, float high)
{
	float *x = malloc(n * sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = random_float(low, high);
	return x;
}

static void close_to(double got, double want, double relative, const char *what, const char *kernel, size_t n)
{
	if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= relative * (1 + fabs(want))))
		fail_msg("%s, %s, n = %zu: %.9g, scalar says %.9g", what, kernel, n, got, want);
}

/* n values in each type, exact size; the same numbers as far as the type holds them. */
static void *values_of(const float *x, enum value_type t, size_t n)
{
	char *to = malloc(n * value_bytes(t) + 1);

	for (size_t i = 0; i < n; i++) {
		uint16_t half = t == VALUE_F16 ? f16_of_float(x[i]) : bf16_of_float(x[i]);

		memcpy(to + i * value_bytes(t), t == VALUE_F32 ? (const void *)&x[i] : &half, value_bytes(t));
	}
	to = realloc(to, n * value_bytes(t));
	return to;
}

/* Tails of every step of every set, and more than one block with a tail. */
static size_t next_length(size_t n)
{
	return n < 200 ? n + 1 : n < 16384 ? 16384 : n < 16384 + 130 ? n + 1 : 0;
}

static void logits_sums_agree_with_scalar(void **state)
{
	(void)state;
	for (size_t n = 1; n; n = next_length(n))
		for (int t = 0; t < VALUE_TYPE_COUNT; t++) {
			float *x = floats(n, -30, 12);
			void *in = values_of(x, (enum value_type)t, n),
			     *copy = malloc(n * value_bytes((enum value_type)t));
			struct logits_sums want, got;
			float ref;

			observe_kernels_all[0]->logits(in, (enum value_type)t, n, NULL, 9, &want);
			ref = want.top;
			observe_kernels_all[0]->logits(in, (enum value_type)t, n, NULL, ref, &want);
			for (size_t k = 0; observe_kernels_all[k]; k++) {
				const struct observe_kernels *kernel = observe_kernels_all[k];

				if (!kernel->runs_here())
					continue;
				memset(copy, 0x5a, n * value_bytes((enum value_type)t));
				kernel->logits(in, (enum value_type)t, n, copy, ref, &got);
				assert_true(got.top == want.top);
				close_to(log2(got.sum) - got.offset, log2(want.sum) - want.offset, 2e-7,
					 "log of the sum", kernel->name, n);
				close_to(log2(got.sum) - got.weighted / got.sum,
					 log2(want.sum) - want.weighted / want.sum, 5e-7, "entropy", kernel->name, n);
				assert_memory_equal(copy, in, n * value_bytes((enum value_type)t));
				kernel->logits(in, (enum value_type)t, n, NULL, ref, &want);
				assert_true(got.sum == want.sum &&
					    got.weighted == want.weighted); /* the copy changes nothing */
				observe_kernels_all[0]->logits(in, (enum value_type)t, n, NULL, ref, &want);
			}
			free(copy);
			free(in);
			free(x);
		}
}

static void compare_agrees_with_scalar(void **state)
{
	(void)state;
	for (size_t n = 1; n; n = next_length(n))
		for (int t = 0; t < VALUE_TYPE_COUNT; t++)
			for (size_t k = 1; observe_kernels_all[k]; k++) {
				const struct observe_kernels *kernel = observe_kernels_all[k];
				float *x = floats(n, -3, 3), *old = floats(n, -3, 3), *same = malloc(n * sizeof *same);
				void *now = values_of(x, (enum value_type)t, n);
				struct state_sums want = { 0 }, got = { 0 }, related = { 0 };

				memcpy(same, old, n * sizeof *same);
				if (kernel->runs_here()) {
					kernel->relate(same, now, (enum value_type)t, n, &related);
					assert_memory_equal(same, old, n * sizeof *same);
					observe_kernels_all[0]->compare(old, now, (enum value_type)t, n, &want);
					kernel->compare(same, now, (enum value_type)t, n, &got);
					assert_memory_equal(&related, &got, sizeof got); /* the copy changes nothing */
					close_to(got.dot / sqrt(want.old_norm2 * want.new_norm2),
						 want.dot / sqrt(want.old_norm2 * want.new_norm2), 5e-7, "dot",
						 kernel->name, n);
					close_to(got.old_norm2, want.old_norm2, 1e-6, "old2", kernel->name, n);
					close_to(got.new_norm2, want.new_norm2, 1e-6, "new2", kernel->name, n);
					close_to(got.change_norm2, want.change_norm2, 1e-6, "change2", kernel->name, n);
					assert_memory_equal(same, old, n * sizeof *same);
				}
				free(now);
				free(x);
				free(old);
				free(same);
			}
}

static void one_bad_value_poisons_every_kernel(void **state)
{
	static const float bad[] = { NAN, INFINITY, -INFINITY };
	float x[200], old[200];

	(void)state;
	for (size_t n = 1; n <= 200; n += n < 140 ? 1 : 13)
		for (size_t at = 0; at < n; at++)
			for (size_t b = 0; b < 3; b++)
				for (size_t k = 0; observe_kernels_all[k]; k++) {
					struct state_sums s = { 0 };
					struct logits_sums sums;

					if (!observe_kernels_all[k]->runs_here())
						continue;
					for (size_t i = 0; i < n; i++)
						x[i] = old[i] = (float)i / 7;
					x[at] = bad[b];
					observe_kernels_all[k]->logits(x, VALUE_F32, n, NULL, 10, &sums);
					assert_true(!isfinite(sums.sum) || !isfinite(sums.weighted));
					observe_kernels_all[k]->relate(old, x, VALUE_F32, n, &s);
					assert_true(!isfinite(s.new_norm2) && !isfinite(s.dot));
					s = (struct state_sums){ 0 };
					observe_kernels_all[k]->relate(x, old, VALUE_F32, n, &s);
					assert_true(!isfinite(s.old_norm2) && !isfinite(s.dot));
					s = (struct state_sums){ 0 };
					observe_kernels_all[k]->compare(old, x, VALUE_F32, n, &s);
					assert_true(!isfinite(s.new_norm2));
				}
}

/* All 65,536 patterns, NaN payloads too. */
static void every_half_is_widened_exactly(void **state)
{
	static uint16_t half[65536 + 40];
	static float want[65536], got[65536 + 1];

	(void)state;
	for (unsigned i = 0; i < 65536; i++)
		half[i] = (uint16_t)i;
	for (int t = VALUE_F16; t <= VALUE_BF16; t++) {
		for (size_t i = 0; i < 65536; i++)
			want[i] = value_float(half, (enum value_type)t, i);
		for (size_t k = 0; observe_kernels_all[k]; k++) {
			struct state_sums sums = { 0 };

			if (!observe_kernels_all[k]->runs_here())
				continue;
			for (size_t n = 65536 - 40; n <= 65536; n++) { /* every tail */
				memset(got, 0, sizeof got);
				got[n] = 42;
				observe_kernels_all[k]->compare(got, half, (enum value_type)t, n, &sums);
				assert_memory_equal(got, want, n * sizeof *got);
				assert_float_equal(got[n], 42, 0);
			}
		}
	}
}

/* Wherever it stands, of either sign. */
static void the_largest_half_is_found(void **state)
{
	uint16_t halves[300];
	float old[300] = { 0 };

	(void)state;
	for (size_t k = 0; observe_kernels_all[k]; k++) {
		if (!observe_kernels_all[k]->runs_here())
			continue;
		for (size_t n = 1; n < 300; n += n < 140 ? 1 : 13)
			for (size_t at = 0; at < n; at++) {
				struct state_sums s = { 0 };
				struct logits_sums l;

				for (size_t i = 0; i < n; i++)
					halves[i] = f16_of_float((float)i - 150);
				halves[at] = f16_of_float(at % 3 ? -65504 : 65504);
				observe_kernels_all[k]->relate(old, halves, VALUE_F16, n, &s);
				assert_float_equal(sqrt(s.fp16_most2), 65504, 0);
				observe_kernels_all[k]->logits(halves, VALUE_F16, n, NULL, 65504, &l);
				assert_float_equal(fmaxf(l.top, l.fp16_low), 65504, 0);
				s = (struct state_sums){ 0 };
				observe_kernels_all[k]->relate(old, halves, VALUE_BF16, n, &s);
				assert_float_equal(s.fp16_most2, 0, 0);
			}
	}
}

static void any_alignment_will_do(void **state)
{
	char room[4 * 300 + 4];

	(void)state;
	for (int t = 0; t < VALUE_TYPE_COUNT; t++)
		for (size_t shift = 0; shift < 4; shift++) {
			float *x = floats(300, -3, 3), old[300] = { 0 };
			void *in = values_of(x, (enum value_type)t, 300);
			struct state_sums sums = { 0 }, want = { 0 };
			struct logits_stats a, b;

			memcpy(room + shift, in, 300 * value_bytes((enum value_type)t));
			logits_observe(in, (enum value_type)t, 300, NULL, &a);
			logits_observe(room + shift, (enum value_type)t, 300, NULL, &b);
			assert_memory_equal(&a, &b, sizeof a);
			state_observe(old, in, (enum value_type)t, 300, &want);
			memset(old, 0, sizeof old);
			state_observe(old, room + shift, (enum value_type)t, 300, &sums);
			assert_true(sums.new_norm2 == want.new_norm2);
			free(in);
			free(x);
		}
}

/* In long double, two passes, the definition itself. */
static double entropy_by_definition(const float *x, size_t n)
{
	long double top = x[0], sum = 0, entropy = 0;

	for (size_t i = 1; i < n; i++)
		top = x[i] > top ? x[i] : top;
	for (size_t i = 0; i < n; i++)
		sum += expl(x[i] - top);
	for (size_t i = 0; i < n; i++) {
		long double p = expl((long double)x[i] - top) / sum;

		entropy -= p > 0 ? p * (x[i] - top - logl(sum)) : 0;
	}
	return (double)entropy;
}

static void entropy_follows_its_definition(void **state)
{
	static const size_t sizes[] = { 1, 2, 255, 256, 1023, 1024, 1025, 5000, 50277, 65536 };
	static const float spans[] = { 0, 0.001f, 3, 30, 300 };

	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
		for (size_t r = 0; r < sizeof spans / sizeof *spans; r++)
			for (int rising = 0; rising < 2; rising++) {
				float *x = floats(sizes[s], -spans[r], spans[r]);
				struct logits_stats got;

				for (size_t i = 0; rising && i < sizes[s]; i++)
					x[i] += (float)i / (float)sizes[s] * spans[r]; /* the reference keeps moving */
				logits_observe(x, VALUE_F32, sizes[s], NULL, &got);
				if (!(fabs(got.entropy - entropy_by_definition(x, sizes[s])) < 4e-6))
					fail_msg("n = %zu, span %g: entropy %.9g, by definition %.9g", sizes[s],
						 (double)spans[r], got.entropy, entropy_by_definition(x, sizes[s]));
				free(x);
			}
}

static void nonfinite_logits_are_counted_by_kind(void **state)
{
	float x[3000];
	struct logits_stats s;

	(void)state;
	for (size_t i = 0; i < 3000; i++)
		x[i] = (float)(i % 17);
	x[3] = x[2000] = NAN;
	x[2999] = -INFINITY;
	logits_observe(x, VALUE_F32, 3000, NULL, &s);
	assert_int_equal(s.nan, 2);
	assert_int_equal(s.inf, 1);
	assert_true(isnan(s.entropy));
}

static void halves_are_widened_exactly(void **state)
{
	static const struct {
		uint16_t half;
		float value;
	} cases[] = { { 0x0000, 0 }, { 0x0001, 0x1p-24f }, { 0x03ff, 0x3ffp-24f }, { 0x0400, 0x1p-14f },
		      { 0x3c00, 1 }, { 0xc000, -2 },       { 0x7bff, 65504 },      { 0x8001, -0x1p-24f } };
	static const uint16_t brain[] = { 0x3f80, 0xc000 };
	struct state_sums sums = { 0 };
	float old[8] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		float copy = 9;

		state_observe(&copy, &cases[i].half, VALUE_F16, 1, &sums);
		assert_true(copy == cases[i].value);
	}
	state_observe(old, brain, VALUE_BF16, 2, &sums);
	assert_true(old[0] == 1 && old[1] == -2);
	assert_int_equal(sums.nonfinite, 0);
	state_observe(old, (const uint16_t[]){ 0x7c00, 0xfe00 }, VALUE_F16, 2, &sums);
	assert_int_equal(sums.nonfinite, 2);
}

/* The reference is guessed from samples; what lies far above them, or beyond float's comfort, is
 * looked at again. */
static void a_reference_that_does_not_fit_is_replaced(void **state)
{
	static const float tops[] = { 20, 44, 45, 60, 88, 300, 3e4f, 1e30f, 3e38f };

	(void)state;
	for (size_t i = 0; i < sizeof tops / sizeof *tops; i++)
		for (int fill = -1; fill <= 1; fill++) {
			float *x = floats(5000, -1, 1);
			double want;
			struct logits_stats got;

			for (size_t k = 0; k < 5000; k++)
				x[k] += (float)fill * tops[i];
			x[4001] = tops[i]; /* not one of the samples */
			x[4003] = tops[i] - 1;
			want = entropy_by_definition(x, 5000);
			logits_observe(x, VALUE_F32, 5000, NULL, &got);
			assert_true(got.nan + got.inf == 0);
			assert_true(got.max >= (double)tops[i]);
			if (!(fabs(got.entropy - want) < 1e-5))
				fail_msg("top %g, others near %g: entropy %.9g, by definition %.9g", (double)tops[i],
					 (double)((float)fill * tops[i]), got.entropy, want);
			free(x);
		}
}

static void a_nan_among_the_samples_is_counted_too(void **state)
{
	float x[128] = { 0 };
	struct logits_stats s;

	(void)state;
	x[0] = x[2] = NAN;
	x[4] = INFINITY;
	logits_observe(x, VALUE_F32, 128, NULL, &s);
	assert_int_equal(s.nan, 2);
	assert_int_equal(s.inf, 1);
	for (int i = 0; i < 128; i++)
		x[i] = NAN;
	logits_observe(x, VALUE_F32, 128, NULL, &s);
	assert_int_equal(s.nan, 128);
	for (int i = 0; i < 128; i++)
		x[i] = -INFINITY;
	logits_observe(x, VALUE_F32, 128, NULL, &s);
	assert_int_equal(s.inf, 128);
	assert_true(isnan(s.log_sum_exp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_sums_agree_with_scalar),
		cmocka_unit_test(the_largest_half_is_found),
		cmocka_unit_test(compare_agrees_with_scalar),
		cmocka_unit_test(one_bad_value_poisons_every_kernel),
		cmocka_unit_test(every_half_is_widened_exactly),
		cmocka_unit_test(any_alignment_will_do),
		cmocka_unit_test(entropy_follows_its_definition),
		cmocka_unit_test(a_reference_that_does_not_fit_is_replaced),
		cmocka_unit_test(a_nan_among_the_samples_is_counted_too),
		cmocka_unit_test(nonfinite_logits_are_counted_by_kind),
		cmocka_unit_test(halves_are_widened_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
