/* The way back after a rewind: bold for a stretch, towards what was given while little repeats, bolder again before the
 * repetition is a loop, exactly what was given at the end. */
#include "test.h"

#include "cli/ease.h"

#include <math.h>

enum { UNTIL = 100 };

static const struct sampler_config given = { .temperature = 0, .top_p = 0.3, .frequency = 0.1, .presence = 0.7 },
				   bold = { .temperature = 1, .top_p = 0.85, .frequency = 0.4, .presence = 0.7 };

static bool follow(struct ease *e, double share, uint64_t tokens)
{
	return ease_follow(e, &(struct rwkvmon_verdict){ .repeat_share = share }, tokens);
}

static void without_a_rewind_nothing_moves(void **state)
{
	struct ease e = { 0 };

	(void)state;
	for (uint64_t n = 0; n < 500; n++)
		assert_false(follow(&e, n % 3 ? 0.9 : 0, n));
	assert_float_equal(ease_sampling(&e, &given).temperature, 0, 0);
}

static void settings_come_back_step_by_step(void **state)
{
	struct ease e;
	uint64_t n = UNTIL;

	(void)state;
	ease_begin(&e, &given, &bold, UNTIL);
	assert_float_equal(ease_sampling(&e, &given).temperature, 1, 0);
	assert_float_equal(ease_sampling(&e, &given).frequency, 0.4, 1e-9);
	for (uint64_t early = 0; early < UNTIL; early++)
		assert_false(follow(&e, 0, early));
	for (unsigned step = EASE_STEPS; step > 0; step--, n += 32) {
		assert_true(follow(&e, step % 2 ? 0.1 : (double)NAN, n));
		assert_int_equal(e.step, step - 1);
		assert_float_equal(ease_sampling(&e, &given).temperature, 0.125F * (float)(step - 1), 1e-6);
		assert_false(follow(&e, 0, n + 31)); /* a step has time to show what it does */
	}
	assert_false(follow(&e, 0, n));
	assert_float_equal(ease_sampling(&e, &given).top_p, given.top_p, 0);
	assert_float_equal(ease_sampling(&e, &given).frequency, given.frequency, 0);
	assert_float_equal(ease_sampling(&e, &given).presence, given.presence, 0);
}

static void repetition_makes_it_bolder_again(void **state)
{
	struct ease e;
	uint64_t n = UNTIL;

	(void)state;
	ease_begin(&e, &given, &bold, UNTIL);
	while (e.step)
		assert_true(follow(&e, 0, n += 32));
	n += 1000;
	assert_false(follow(&e, 0.15, n)); /* between the two it stays */
	for (unsigned step = 1; step <= EASE_STEPS; step++, n += 16)
		assert_true(follow(&e, 0.25, n));
	assert_false(follow(&e, 1, n + 100)); /* no bolder than after the rewind */
	assert_int_equal(e.step, EASE_STEPS);
}

static bool feel(struct ease *e, double surprisal, uint64_t tokens)
{
	return ease_follow(e, &(struct rwkvmon_verdict){ .mean_surprisal = surprisal }, tokens);
}

/* What is lively is learned while drawing is boldest. */
static void dullness_makes_it_bolder_again(void **state)
{
	struct ease e;
	uint64_t n = UNTIL;

	(void)state;
	ease_begin(&e, &given, &bold, UNTIL);
	for (uint64_t early = 0; early < UNTIL; early++)
		assert_false(feel(&e, early < 50 ? (double)NAN : early % 2 ? 0.9 : 1.1, early));
	assert_float_equal(e.lively, 1, 1e-9);
	assert_false(feel(&e, 0.85, n)); /* not lively enough for a step */
	assert_true(feel(&e, 0.95, n));
	assert_true(feel(&e, 0.95, n += 32));
	assert_int_equal(e.step, EASE_STEPS - 2);
	assert_false(feel(&e, 0.85, n += 32)); /* between the two it stays */
	assert_true(feel(&e, 0.7, n));
	assert_int_equal(e.step, EASE_STEPS - 1);
	assert_true(feel(&e, (double)NAN, n + 16)); /* unknown: repetition alone counts */
	assert_int_equal(e.step, EASE_STEPS - 2);
}

/* After values that were not finite there is nothing to draw otherwise. */
static void equal_settings_have_no_way_back(void **state)
{
	struct ease e;

	(void)state;
	ease_begin(&e, &given, &given, UNTIL);
	assert_false(follow(&e, 0.9, UNTIL + 1));
	assert_int_equal(e.step, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rewind_nothing_moves),   cmocka_unit_test(settings_come_back_step_by_step),
		cmocka_unit_test(repetition_makes_it_bolder_again), cmocka_unit_test(dullness_makes_it_bolder_again),
		cmocka_unit_test(equal_settings_have_no_way_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
