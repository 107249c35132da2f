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
	for (uint32_t period = 1; period <= CYCLE_PERIOD_MAX; period += period < 104 ? 1 : 41) {
		static struct cycle c;
		uint64_t seed = period;
		static uint32_t text[CYCLE_PERIOD_MAX];

		cycle_reset(&c);
		for (int i = 0; i < 3000; i++)
			cycle_push(&c, draw(&seed) % 50000, true);
		assert_false(cycle_repeats(&c));
		for (uint32_t i = 0; i < period; i++)
			text[i] = 50000 + i; /* tokens that have not been, so that the seam is sharp */
		for (uint32_t i = 0; i < 3 * period + 200; i++) {
			cycle_push(&c, text[i % period], true);
			if (i >= period + CYCLE_GRAM + (period < 500 ? 0 : 60)) { /* old places are lost by chance */
				assert_int_equal(c.period, period);
				assert_int_equal(c.run, i + 1 - period);
				assert_int_equal(cycle_repeats(&c), c.run >= 16 && (c.run >= period + CYCLE_EVIDENCE ||
										    (period <= 100 && c.run >= 97)));
			}
		}
		cycle_push(&c, 1, true);
		assert_false(cycle_repeats(&c));
	}
}

/* A ring that grew knows what one that was whole from the start knows, and so does a copy. */
static void what_grows_is_as_what_was_whole(void **state)
{
	struct cycle whole = { 0 }, small = { 0 }, other;
	uint64_t seed = 5;

	(void)state;
	assert_true(cycle_open_whole(&whole));
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 9000; i++) {
			uint32_t token = i % 3000 < 1600 ? draw(&seed) % 50000 : i % 700;

			cycle_push(&whole, token, i > 40);
			cycle_push(&small, token, i > 40);
			assert_true(small.cap >= small.held && small.cap <= (i < 2 ? CYCLE_SMALL : CYCLE_RING));
			if (i % 3000 < 2999)
				continue;
			assert_int_equal(small.period, whole.period);
			assert_int_equal(small.run, whole.run);
			assert_true(small.run > 500);
			assert_true(cycle_copy(&other, &small));
			assert_int_equal(other.run, whole.run);
			assert_true(other.cap <= small.cap);
			cycle_push(&other, i % 700 + 1, true);
			assert_int_equal(other.run, whole.run + 1);
			cycle_close(&other);
		}
		cycle_back(&whole, 8500);
		cycle_back(&small, 8500);
		assert_int_equal(small.held, whole.held);
		cycle_reset(&whole);
		cycle_close(&small);
	}
	cycle_close(&whole);
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

/* What is said nearly the same is found before its third period ends; the rows of a table are not. */
static void variations_come_back_in_a_loop_and_not_in_a_table(void **state)
{
	static struct cycle loop, table;
	uint64_t seed = 11;
	bool found = false;

	(void)state;
	cycle_reset(&loop);
	cycle_reset(&table);
	for (int i = 0; i < 500; i++)
		cycle_push(&loop, draw(&seed) % 60000, true);
	for (int i = 0; i < 3 * 120; i++) {
		cycle_push(&loop, draw(&seed) % 100 < 4 ? draw(&seed) % 60000 : 60000 + (uint32_t)i % 120, true);
		found = found || cycle_nearly(&loop);
		assert_false(found && i < 2 * 120);
	}
	assert_true(found);
	for (int i = 0; i < 40 * 30; i++) {
		uint32_t column = (uint32_t)i % 30;

		cycle_push(&table, column == 7 || column == 20 ? draw(&seed) % 1000 : 60000 + column, true);
		assert_false(cycle_nearly(&table));
	}
}

/* Rows of 25 tokens, of which one cell changes, are followed by a loop of three such rows. */
static void rows_that_repeat_nearly_do_not_hide_a_loop_of_several(void **state)
{
	static struct cycle c;

	(void)state;
	cycle_reset(&c);
	for (uint32_t i = 0; i < 20 * 25; i++)
		cycle_push(&c, i % 25 == 9 ? 1000 + i / 25 : i % 25, true);
	assert_int_equal(c.period, 25);
	for (uint32_t i = 0; i < 75 + 80; i++)
		cycle_push(&c, i % 25 == 9 ? 2000 + i / 25 % 3 : i % 25, true);
	assert_int_equal(c.period, 75);
	assert_true(cycle_repeats(&c));
}

/* A cell of a table that has its usual value but twice, as the variations of a loop do. */
static void two_cells_that_come_back_are_no_loop_yet(void **state)
{
	static struct cycle c;

	(void)state;
	cycle_reset(&c);
	for (uint32_t i = 0; i < 7 * 12; i++) {
		bool other = i % 12 == 5 && (i / 12 == 2 || i / 12 == 5);

		cycle_push(&c, other ? 900 : 100 + i % 12, true);
		assert_false(cycle_nearly(&c));
	}
}

/* Of one variation in a long text, when twice its text's length has repeated. */
static void one_variation_that_comes_back_is_enough_in_a_long_loop(void **state)
{
	static struct cycle c;
	bool found = false;

	(void)state;
	cycle_reset(&c);
	for (uint32_t i = 0; i < 3 * 130; i++) {
		cycle_push(&c, i == 130 + 60 ? 900 : 1000 + i % 130, true);
		found = found || cycle_nearly(&c);
		assert_false(cycle_repeats(&c) || (found && i < 130 + 160 - 1));
	}
	assert_true(found);
}

/* "0,0,0,3,0,0,": every second token comes back at once, whatever stands between. */
static void rows_of_zeros_are_no_loop(void **state)
{
	static struct cycle c;
	uint64_t seed = 12;

	(void)state;
	cycle_reset(&c);
	for (int i = 0; i < 4000; i++) {
		uint32_t zero = draw(&seed) % 100 < 93 ? 48 : 49 + draw(&seed) % 9;

		cycle_push(&c, i % 2 ? 44 : zero, true);
		assert_false(cycle_nearly(&c) && c.period < 4);
	}
	cycle_reset(&c);
	for (int i = 0; i < 4000; i++) { /* "0x00, 0x00, 0x00, 0x3f, " */
		uint32_t byte = draw(&seed) % 100 < 93 ? 48 : 49 + draw(&seed) % 200;

		cycle_push(&c, i % 4 == 1 ? byte : 300 + (uint32_t)i % 4, true);
		assert_false(cycle_nearly(&c) && c.period < 5);
	}
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

/* A paragraph with phrases that come again within it, and with a ruler of one sign: none of them hides the paragraph's
 * own period, however long it is. */
static void phrases_within_a_paragraph_do_not_hide_it(void **state)
{
	static const uint32_t periods[] = { 120, 200, 400, 1000, 2000, 4000 };

	(void)state;
	for (size_t p = 0; p < sizeof periods / sizeof *periods; p++) {
		static struct cycle c;
		uint32_t period = periods[p], found = 0;
		static uint32_t text[4000];
		uint64_t seed = period;

		cycle_reset(&c);
		for (uint32_t i = 0; i < period; i++) {
			uint32_t in = i % 60;

			text[i] = in < 12 ? 100 + in : in < 24 ? 7 : draw(&seed) % 60000;
		}
		for (int i = 0; i < 1500; i++)
			cycle_push(&c, draw(&seed) % 60000, true);
		for (uint32_t i = 0; i < 3 * period && !found; i++) {
			cycle_push(&c, text[i % period], true);
			found = cycle_repeats(&c) && c.period == period ? i + 1 : 0;
		}
		assert_true(found > 2 * period && found < 2 * period + 80);
		assert_int_equal(c.run, found - period);
	}
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

static void a_copy_of_the_prompt_is_no_repetition(void **state)
{
	enum { N = 400 };
	static struct cycle c;
	uint32_t text[N];
	uint64_t seed = 3;

	(void)state;
	cycle_reset(&c);
	for (int i = 0; i < N; i++)
		cycle_push(&c, text[i] = draw(&seed) % 60000, false);
	for (int i = 0; i < N; i++) { /* the answer: the prompt with a few tokens changed */
		cycle_push(&c, i % 25 == 24 ? 60000 : text[i], true);
		assert_false(cycle_repeats(&c));
		assert_int_equal(cycle_share(&c), 0);
	}
	for (int i = 0; i < 100; i++) /* and then the same again: a repetition of its own words */
		cycle_push(&c, i % 25 == 24 ? 60000 : text[i], true);
	assert_true(cycle_share(&c) > 90);
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
		cmocka_unit_test(variations_come_back_in_a_loop_and_not_in_a_table),
		cmocka_unit_test(what_grows_is_as_what_was_whole),
		cmocka_unit_test(a_cycle_inside_a_cycle_is_no_hindrance),
		cmocka_unit_test(rows_that_repeat_nearly_do_not_hide_a_loop_of_several),
		cmocka_unit_test(two_cells_that_come_back_are_no_loop_yet),
		cmocka_unit_test(one_variation_that_comes_back_is_enough_in_a_long_loop),
		cmocka_unit_test(rows_of_zeros_are_no_loop),
		cmocka_unit_test(near_repetition_is_a_share_of_the_last_hundred),
		cmocka_unit_test(phrases_within_a_paragraph_do_not_hide_it),
		cmocka_unit_test(a_prompt_may_repeat_itself),
		cmocka_unit_test(a_copy_of_the_prompt_is_no_repetition),
		cmocka_unit_test(random_text_never_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
