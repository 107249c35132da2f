/* Repetition: found at every period, counted to the token, and not seen where there is none. */
#include "test.h"

#include "observe/cycle.h"

#include <stdlib.h>

static uint32_t draw(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33);
}

static void every_period_is_found_and_counted(void **state)
{
	(void)state;
	for (uint32_t period = 1; period <= CYCLE_PERIOD_MAX; period += period < 40 ? 1 : 41) {
		static struct cycle c;
		uint64_t seed = period;
		uint32_t text[CYCLE_PERIOD_MAX];

		cycle_reset(&c);
		for (int i = 0; i < 3000; i++)
			cycle_push(&c, draw(&seed) % 50000, true);
		assert_false(cycle_repeats(&c));
		for (uint32_t i = 0; i < period; i++)
			text[i] = 50000 + i; /* tokens that have not been, so that the seam is sharp */
		for (uint32_t i = 0; i < 3 * period + 200; i++) {
			cycle_push(&c, text[i % period], true);
			if (i >= period + CYCLE_GRAM) {
				assert_int_equal(c.period, period);
				assert_int_equal(c.run, i + 1 - period);
				assert_int_equal(cycle_repeats(&c), c.run >= 16 && c.run >= 2 * period);
			}
		}
		cycle_push(&c, 1, true);
		assert_false(cycle_repeats(&c));
	}
}

static void a_cycle_inside_a_cycle_is_no_hindrance(void **state)
{
	static struct cycle c;

	(void)state;
	cycle_reset(&c); /* thirty of one token, then another: period 31 */
	for (int i = 0; i < 31 * 10; i++)
		cycle_push(&c, i % 31 == 30, true);
	assert_true(c.period == 31 || cycle_share(&c) > 85);
}

/* The share is what counting says, for the period that is held. */
static void near_repetition_is_a_share_of_the_last_hundred(void **state)
{
	static struct cycle c;
	uint32_t text[4000];
	uint64_t seed = 7;

	(void)state;
	cycle_reset(&c);
	for (uint32_t i = 0; i < 4000; i++) {
		uint32_t equal = 0;

		text[i] = i < 20 ? i : draw(&seed) % 12 ? text[i - 20] : 100 + draw(&seed) % 50;
		cycle_push(&c, text[i], true);
		if (!c.period || i < 100 + c.period)
			continue;
		for (uint32_t k = 0; k < 100; k++)
			equal += text[i - k] == text[i - k - c.period];
		assert_int_equal(cycle_share(&c), equal);
	}
	assert_int_equal(c.period % 20, 0);
	assert_true(cycle_share(&c) > 50);
}

static void a_prompt_may_repeat_itself(void **state)
{
	static struct cycle c;

	(void)state;
	cycle_reset(&c);
	for (int i = 0; i < 500; i++)
		cycle_push(&c, (uint32_t)i % 5, false);
	assert_false(cycle_repeats(&c));
	assert_int_equal(cycle_share(&c), 0);
	for (int i = 0; i < 30; i++) /* the model goes on with it: from here on it counts */
		cycle_push(&c, (uint32_t)i % 5, true);
	assert_int_equal(c.run, 30);
	assert_true(cycle_repeats(&c));
	cycle_push(&c, 0, false);
	assert_false(cycle_repeats(&c));
}

static void random_text_never_repeats(void **state)
{
	static struct cycle c;
	uint64_t seed = 3;

	(void)state;
	for (uint32_t vocab = 4; vocab <= 65536; vocab *= 4) {
		cycle_reset(&c);
		for (int i = 0; i < 50000; i++) {
			cycle_push(&c, draw(&seed) % vocab, true);
			assert_false(cycle_repeats(&c));
			assert_true(cycle_share(&c) <= 85);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_period_is_found_and_counted),
		cmocka_unit_test(a_cycle_inside_a_cycle_is_no_hindrance),
		cmocka_unit_test(near_repetition_is_a_share_of_the_last_hundred),
		cmocka_unit_test(a_prompt_may_repeat_itself),
		cmocka_unit_test(random_text_never_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
