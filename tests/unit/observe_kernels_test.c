/* Every kernel this CPU runs, every tail length, NaN and Inf included, against the scalar set. */
#include "test.h"

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

static void exp_sums_agree_with_scalar(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 67; n++) {
		float *x = floats(n, -30, 12), top = observe_kernels_all[0]->max(x, n);
		double sum = 0, weighted = 0;

		observe_kernels_all[0]->exp_sums(x, n, top, &sum, &weighted);
		for (size_t k = 1; observe_kernels_all[k]; k++) {
			const struct observe_kernels *kernel = observe_kernels_all[k];
			double s = 0, w = 0;

			if (!kernel->runs_here())
				continue;
			assert_true(kernel->max(x, n) == top);
			kernel->exp_sums(x, n, top, &s, &w);
			close_to(s, sum, 1e-6, "sum", kernel->name, n);
			close_to(w, weighted, 1e-6, "weighted sum", kernel->name, n);
		}
		free(x);
	}
}

static void compare_agrees_with_scalar(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 67; n++)
		for (size_t k = 1; observe_kernels_all[k]; k++) {
			const struct observe_kernels *kernel = observe_kernels_all[k];
			float *now = floats(n, -3, 3), *old = floats(n, -3, 3), *same = malloc(n * sizeof *same);
			struct state_sums want = { 0 }, got = { 0 };

			memcpy(same, old, n * sizeof *same);
			if (kernel->runs_here()) {
				observe_kernels_all[0]->compare(old, now, n, &want);
				kernel->compare(same, now, n, &got);
				close_to(got.dot, want.dot, 1e-5, "dot", kernel->name, n);
				close_to(got.old2, want.old2, 1e-6, "old2", kernel->name, n);
				close_to(got.new2, want.new2, 1e-6, "new2", kernel->name, n);
				close_to(got.change2, want.change2, 1e-6, "change2", kernel->name, n);
				assert_memory_equal(same, now, n * sizeof *same);
			}
			free(now);
			free(old);
			free(same);
		}
}

static void one_bad_value_poisons_every_kernel(void **state)
{
	static const float bad[] = { NAN, INFINITY, -INFINITY };

	(void)state;
	for (size_t n = 1; n <= 67; n++)
		for (size_t at = 0; at < n; at++)
			for (size_t b = 0; b < 3; b++)
				for (size_t k = 0; observe_kernels_all[k]; k++) {
					float x[67], old[67];
					struct state_sums s = { 0 };
					double sum = 0, weighted = 0;

					if (!observe_kernels_all[k]->runs_here())
						continue;
					for (size_t i = 0; i < n; i++)
						x[i] = old[i] = (float)i / 7;
					x[at] = bad[b];
					observe_kernels_all[k]->exp_sums(x, n, 10, &sum, &weighted);
					assert_true(!isfinite(sum) || !isfinite(weighted));
					observe_kernels_all[k]->compare(old, x, n, &s);
					assert_true(!isfinite(s.new2));
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
				logits_observe(x, DTYPE_F32, sizes[s], NULL, &got);
				if (!(fabs(got.entropy - entropy_by_definition(x, sizes[s])) < 1e-5))
					fail_msg("n = %zu, span %g: entropy %.9g, by definition %.9g", sizes[s], (double)spans[r],
						 got.entropy, entropy_by_definition(x, sizes[s]));
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
	logits_observe(x, DTYPE_F32, 3000, NULL, &s);
	assert_int_equal(s.nan, 2);
	assert_int_equal(s.inf, 1);
	assert_true(isnan(s.entropy));
}

static void halves_are_widened_exactly(void **state)
{
	static const struct {
		uint16_t half;
		float value;
	} cases[] = { { 0x0000, 0 },	  { 0x0001, 0x1p-24f }, { 0x03ff, 0x3ffp-24f }, { 0x0400, 0x1p-14f },
		      { 0x3c00, 1 },	  { 0xc000, -2 },	{ 0x7bff, 65504 },	{ 0x8001, -0x1p-24f } };
	static const uint16_t brain[] = { 0x3f80, 0xc000 };
	struct state_sums sums = { 0 };
	float old[8] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		float copy = 9;

		state_observe(&copy, &cases[i].half, DTYPE_F16, 1, &sums);
		assert_true(copy == cases[i].value);
	}
	state_observe(old, brain, DTYPE_BF16, 2, &sums);
	assert_true(old[0] == 1 && old[1] == -2);
	assert_int_equal(sums.nonfinite, 0);
	state_observe(old, (const uint16_t[]){ 0x7c00, 0xfe00 }, DTYPE_F16, 2, &sums);
	assert_int_equal(sums.nonfinite, 2);
}

static void widening_is_exact_for_every_value(void **state)
{
	static uint16_t half[65536 + 3];
	static float want[65536 + 3], got[65536 + 3];

	(void)state;
	for (unsigned i = 0; i < 65536 + 3; i++)
		half[i] = (uint16_t)i;
	for (int t = DTYPE_F16; t <= DTYPE_BF16; t++) {
		observe_kernels_all[0]->widen(want, half, (enum dtype)t, 65536);
		for (size_t k = 1; observe_kernels_all[k]; k++) {
			if (!observe_kernels_all[k]->runs_here())
				continue;
			for (size_t n = 65520; n <= 65536; n++) { /* every tail */
				got[n] = 42;
				observe_kernels_all[k]->widen(got, half, (enum dtype)t, n);
				assert_memory_equal(got, want, n * sizeof *got);
				assert_float_equal(got[n], 42, 0);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(widening_is_exact_for_every_value),
		cmocka_unit_test(exp_sums_agree_with_scalar),
		cmocka_unit_test(compare_agrees_with_scalar),
		cmocka_unit_test(one_bad_value_poisons_every_kernel),
		cmocka_unit_test(entropy_follows_its_definition),
		cmocka_unit_test(nonfinite_logits_are_counted_by_kind),
		cmocka_unit_test(halves_are_widened_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
