/* --adapt-sampling: nothing moves where nothing repeats; steps come and go with the repetition and stay in their
 * bounds. */
#include "test.h"

#include "cli/adapt.h"

#include <math.h>

static const struct sampler_config given = {
	.temperature = 0.4, .top_p = 0.3, .frequency = 0.2, .presence = 1, .penalty_decay = 0.9
};

static bool follow(struct adapt *a, double share, double entropy, uint64_t tokens)
{
	return adapt_follow(
		a, &(struct rwkvmon_verdict){ .repeat_share = share, .mean_entropy = entropy, .mean_surprisal = NAN },
		tokens);
}

static void a_text_without_repetition_moves_nothing(void **state)
{
	struct adapt a = { .on = true };

	(void)state;
	for (uint64_t n = 0; n < 5000; n++)
		assert_false(follow(&a, n % 40 ? 0 : 0.49, n < 50 ? (double)NAN : 1, n));
	assert_false(follow(&a, 0.9, 1, 5000)); /* as open as ever: no loop */
	assert_int_equal(a.step, 0);
	assert_float_equal(a.healthy_entropy, 1, 1e-9);
	assert_float_equal(adapt_sampling(&a, &given).temperature, given.temperature, 0);
	assert_float_equal(adapt_sampling(&a, &given).top_p, given.top_p, 0);
}

static void steps_come_and_go(void **state)
{
	struct adapt a = { .on = true };
	struct sampler_config now;
	uint64_t n = 0;

	(void)state;
	assert_true(follow(&a, 0.6, 0.2, n));
	assert_false(follow(&a, 0.6, 0.2, n + 15)); /* a step has time to work */
	for (unsigned step = 2; step <= ADAPT_STEPS; step++)
		assert_true(follow(&a, 0.6, 0.2, n += 16));
	assert_false(follow(&a, 1, 0.1, n += 16));
	now = adapt_sampling(&a, &given);
	assert_float_equal(now.temperature, 1.2, 1e-9);
	assert_float_equal(now.top_p, 0.95, 1e-9);
	assert_float_equal(now.frequency, 0.8, 1e-9);
	assert_float_equal(now.penalty_decay, 0.999, 1e-9);
	assert_float_equal(now.presence, 1, 0); /* above its bound as given: never lowered */
	a.bytes = true;
	assert_float_equal(adapt_sampling(&a, &given).frequency, 0.2, 0);
	assert_float_equal(adapt_sampling(&a, &given).penalty_decay, 0.9, 0);
	assert_false(follow(&a, 0.4, 0.2, n += 100)); /* between the two it stays */
	for (unsigned step = ADAPT_STEPS; step > 0; step--)
		assert_true(follow(&a, step % 2 ? 0.1 : (double)NAN, 0.8, n += 32));
	assert_float_equal(adapt_sampling(&a, &given).temperature, 0.4, 0);
	assert_false(follow(&a, 0, 0.8, n += 32));
}

static bool follow_both(struct adapt *a, double share, double entropy, double surprisal, uint64_t tokens)
{
	return adapt_follow(a,
			    &(struct rwkvmon_verdict){
				    .repeat_share = share, .mean_entropy = entropy, .mean_surprisal = surprisal },
			    tokens);
}

/* A model that is nearly as open as ever, while what it draws surprises it no longer, and the other way round. */
static void surprisal_counts_as_entropy_does(void **state)
{
	struct adapt a = { .on = true };
	uint64_t n = 0;

	(void)state;
	for (; n < 500; n++)
		assert_false(follow_both(&a, 0, 1, 2, n));
	assert_float_equal(a.healthy_surprisal, 2, 1e-9);
	assert_false(follow_both(&a, 0.9, 0.95, 1.8, n)); /* 0.95 and 0.9 of what is healthy */
	assert_true(follow_both(&a, 0.9, 0.95, 1.6, n));
	assert_false(follow_both(&a, 0.9, 0.85, (double)NAN, n));
	assert_true(follow_both(&a, 0.9, 0.85, (double)NAN, n += 16));
	assert_true(follow_both(&a, 0.9, (double)NAN, 1.6, n += 16));
	assert_false(follow_both(&a, 0.9, (double)NAN, 1.9, n += 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_without_repetition_moves_nothing),
		cmocka_unit_test(steps_come_and_go),
		cmocka_unit_test(surprisal_counts_as_entropy_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
