/* Which findings of single logs count where many are judged, and how often a healthy log shows as much. */
#include "test.h"

#include "analyze/chance.h"

#include <math.h>

enum { N = 1000 };

static struct chances logs[N];
static double scratch[N];

/* n logs, of which `found` show an answer with that chance; how many of these count. */
static size_t counted(size_t n, enum answer_id answer, size_t found, double chance)
{
	double bar[ANSWER_COUNT];
	size_t counted = 0;

	for (size_t i = 0; i < n; i++) {
		for (int a = 0; a < ANSWER_COUNT; a++)
			logs[i].of[a] = 1;
		if (i < found)
			logs[i].of[answer] = chance;
	}
	chance_bars(bar, logs, n, scratch);
	for (size_t i = 0; i < n; i++)
		counted += chances_count(&logs[i], bar);
	return counted;
}

static void what_one_of_many_shows_by_chance_does_not_count(void **state)
{
	(void)state;
	assert_int_equal(counted(N, A_STARTED_SLOWLY, 1, 1e-3), 0);
	assert_int_equal(counted(N, A_STARTED_SLOWLY, 20, 1e-3), 0);
	assert_int_equal(counted(4, A_STARTED_SLOWLY, 1, 1e-3), 1);
	assert_int_equal(counted(N, A_STARTED_SLOWLY, 1, 5e-6), 1);
}

static void what_most_of_them_show_counts(void **state)
{
	(void)state;
	assert_int_equal(counted(N, A_PROMPTS_GREW, 800, 5e-3), 800);
	assert_int_equal(counted(N, A_PROMPTS_GREW, N, 5e-3), N);
	assert_int_equal(counted(N, A_PROMPTS_GREW, 600, 5e-3), 0);
}

/* Where a thousand show one thing for sure, another one does not count earlier. */
static void answers_have_bars_of_their_own(void **state)
{
	double bar[ANSWER_COUNT];

	(void)state;
	counted(N, A_REPEATS, N, 1e-9);
	chance_bars(bar, logs, N, scratch);
	assert_true(bar[A_REPEATS] > 500 * bar[A_STARTED_SLOWLY]);
	assert_true(bar[A_BROKEN_FP16] == 1 && bar[A_LEAKED] == 1);
}

static void assert_chance(double got, double want)
{
	if (!(fabs(got / want - 1) <= 1e-9))
		fail_msg("%.12g instead of %.12g", got, want);
}

static void chances_are_those_of_their_distributions(void **state)
{
	(void)state;
	assert_chance(chance_of_order(4), 1.0 / 24);
	assert_chance(chance_of_order(5.9), 1.0 / 120);
	assert_chance(chance_of_order(90), 1.0 / 5040);
	assert_chance(chance_of_order(0.2), 1);
	assert_chance(chance_of_likelihood(log(1000)), 1e-3);
	assert_chance(chance_of_likelihood(-3), 1);
	assert_chance(chance_beyond(0), 0.5);
	assert_chance(chance_of_correlation(-0.5, 28), chance_beyond(atanh(0.5) * 5));
	assert_chance(chance_of_correlation(-0.9, 3), 1);
}

/* One call ten times as long as most where none is four times as long; four of them; more than there are at any rate.
 */
static void far_calls_are_rarer_than_near_ones(void **state)
{
	const double mean = 16.0 / 100;

	(void)state;
	assert_chance(chance_of_strays(1, 10, 0, 4), -expm1(-mean));
	assert_chance(chance_of_strays(2, 10, 0, 4), -expm1(-mean) - mean * exp(-mean));
	assert_chance(chance_of_strays(1, 5, 3, 4), 1);
	assert_true(chance_of_strays(1, 100, 0, 4) < 2e-3);
	assert_true(chance_of_strays(4, 50, 4, 4) < 1e-5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_of_many_shows_by_chance_does_not_count),
		cmocka_unit_test(what_most_of_them_show_counts),
		cmocka_unit_test(answers_have_bars_of_their_own),
		cmocka_unit_test(chances_are_those_of_their_distributions),
		cmocka_unit_test(far_calls_are_rarer_than_near_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
