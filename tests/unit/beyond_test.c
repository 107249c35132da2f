/* Beyond all that was seen: the share of the range, its edge, the delay, earlier weeks, the texture; and little on
 * steady noise. */
#include "random.h"
#include "test.h"

#include "forecast/beyond.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* The values 0..10 many times: their slow mean stays near 5. */
static struct beyond *opened(uint32_t wait)
{
	struct beyond *b = calloc(1, sizeof *b);

	b->wait = wait;
	for (int i = 0; i < 1100; i++)
		assert_true(beyond_add(b, i * 7 % 11, -1).share < 0.05);
	return b;
}

static void the_share_is_of_the_range_seen(void **state)
{
	static const struct {
		double value, share, edge;
	} cases[] = { { 12, 0.2, 10 }, { -5, 0.5, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct beyond *b = opened(0);
		struct beyond_answer a = beyond_add(b, cases[i].value, -1);

		assert_int_equal(a.which, BEYOND_VALUE);
		assert_true(fabs(a.share - cases[i].share) < 1e-9 && a.edge == cases[i].edge);
		assert_true(beyond_add(b, cases[i].value, -1).share < cases[i].share); /* it has been seen now */
		free(b);
	}
}

/* A level that no single value gives away: all values lie where values have been. */
static void a_slow_mean_tells_a_level_within_the_range(void **state)
{
	struct beyond *b = opened(64);
	struct beyond_answer most = { 0 };

	(void)state;
	for (int i = 0; i < 60; i++) {
		struct beyond_answer a = beyond_add(b, 9 + i % 2, -1);

		most = a.share > most.share ? a : most;
	}
	assert_int_equal(most.which, BEYOND_SLOW);
	assert_true(most.share > 0.1);
	free(b);
}

static void what_is_seen_counts_after_the_delay(void **state)
{
	struct beyond *b = opened(64);
	int out = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct beyond_answer a = beyond_add(b, 30, -1);

		assert_true(i >= 64 || a.share >= 2 - 1e-9);
		out += a.share > 0.5;
	}
	assert_in_range(out, 64, 250);
	free(b);
}

/* Half hours that differ by what the weekday is: what is usual on another day is not on this one. */
static void a_week_is_compared_with_earlier_ones(void **state)
{
	enum { WEEKS = 6, SLOTS = 7 * 48 };
	struct beyond *b = calloc(1, sizeof *b);
	struct beyond_answer a = { 0 };

	(void)state;
	for (int i = 0; i < WEEKS * SLOTS + 20; i++) {
		int slot = i % SLOTS;
		bool other = i >= WEEKS * SLOTS + 10;

		a = beyond_add(b, (slot / 48 == 6 ? 50 : 100) + normal() - (other ? 45 : 0), slot * 1800 + 900);
		if (i >= 3 * SLOTS && !other)
			assert_true(a.share < 1.5);
		if (other)
			break;
	}
	assert_int_equal(a.which, BEYOND_WEEK);
	assert_true(a.edge > 90 && a.edge < 100);
	assert_true(a.share > 2);
	free(b);
}

static void steady_noise_is_seldom_far_beyond(void **state)
{
	enum { N = 100000, LEARN = 1000 };
	struct beyond *b = calloc(1, sizeof *b);
	int tenth = 0, half = 0;

	(void)state;
	b->wait = 64;
	for (int i = 0; i < N; i++) {
		double share = beyond_add(b, normal(), -1).share;

		tenth += i > LEARN && share > 0.1;
		half += i > LEARN && share > 0.5;
	}
	assert_in_range(tenth, 0, 20);
	assert_int_equal(half, 0);
	free(b);
}

/* Of latencies: 40 and noise, with a wave of 50 values, and a stall of 50 now and then. */
static double latency(int i, bool waves)
{
	return 40 + normal() + (waves ? 6 * sin(6.283185307179586 * i / 50) : 0) + (unit() < 0.002 ? 50 * unit() : 0);
}

enum { QUIET = 6000, AFTER = 1200 };

/* The farthest share of AFTER values that are changed, and of what it is; `by` is asked for each of them. */
static struct beyond_answer most_of(bool texture, double (*by)(int since, double usual))
{
	struct beyond *b = calloc(1, sizeof *b);
	struct beyond_answer most = { 0 };

	b->wait = 64;
	b->texture = texture;
	for (int i = 0; i < QUIET + AFTER; i++) {
		double usual = latency(i, true);
		struct beyond_answer a = beyond_add(b, i < QUIET ? usual : by(i - QUIET, usual), -1);

		if (i >= QUIET && a.which != BEYOND_VALUE && a.share > most.share)
			most = a;
		assert_true(i < 2000 || i >= QUIET || a.which == BEYOND_VALUE || a.share < 0.4);
	}
	free(b);
	return most;
}

static double stays(int since, double usual)
{
	(void)since;
	(void)usual;
	return 41;
}

static double loses_its_wave(int since, double usual)
{
	(void)usual;
	return latency(since, false);
}

static double pauses(int since, double usual)
{
	return usual + (since % 100 == 50 ? 200 : 0);
}

static double stalls_once(int since, double usual)
{
	return usual + (since == 50 ? 1000 : 0);
}

static double creeps(int since, double usual)
{
	return usual * (1 + 0.5 * since / AFTER);
}

static void a_texture_that_changes_is_beyond_what_was_seen(void **state)
{
	static const struct {
		double (*by)(int, double);
		enum beyond_series which;
	} cases[] = { { stays, BEYOND_SPREAD }, { loses_its_wave, BEYOND_SPREAD }, { pauses, BEYOND_EXCESS } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct beyond_answer a = most_of(true, cases[i].by);

		assert_int_equal(a.which, cases[i].which);
		assert_true(a.share > 0.4);
		assert_true(a.edge > 40 && a.edge < 60);
	}
	assert_true(most_of(true, creeps).share > 0.4);
}

/* One stall is a value beyond, and nothing else: it raises no mean. */
static void a_single_stall_is_no_texture(void **state)
{
	(void)state;
	assert_true(most_of(true, stalls_once).share < 0.4);
	assert_true(most_of(false, stalls_once).share > 0.4);
}

static void extremes_do_not_overflow(void **state)
{
	struct beyond *b;

	(void)state;
	for (int texture = 0; texture < 2; texture++) {
		b = calloc(1, sizeof *b);
		b->texture = texture;
		b->wait = texture ? 64 : 0;
		for (int i = 0; i < 9000; i++) {
			double value = i % 3 ? 1.7976931348623157e308 : -1.7e308;
			struct beyond_answer a = beyond_add(b, i < 6000 ? value : 0, i * 1800);

			assert_true(isfinite(a.share) && isfinite(a.edge));
		}
		free(b);
	}
	b = calloc(1, sizeof *b);
	for (int i = 0; i < 3000; i++) /* what never varied is left by its whole range */
		assert_true(beyond_add(b, 7, 9).share == 0);
	assert_true(beyond_add(b, 8, 9).share >= 1);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_share_is_of_the_range_seen),
		cmocka_unit_test(a_slow_mean_tells_a_level_within_the_range),
		cmocka_unit_test(what_is_seen_counts_after_the_delay),
		cmocka_unit_test(a_week_is_compared_with_earlier_ones),
		cmocka_unit_test(steady_noise_is_seldom_far_beyond),
		cmocka_unit_test(a_texture_that_changes_is_beyond_what_was_seen),
		cmocka_unit_test(a_single_stall_is_no_texture),
		cmocka_unit_test(extremes_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
