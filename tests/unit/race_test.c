/* race_test.c - equal candidates are not told apart, whatever the noise; the fastest wins, and the slow leave early. */
#include "random.h"
#include "stats/race.h"
#include "test.h"

enum { RACES = 300 };

/* Noise of the machine that all share, noise of each measurement, now and then a large one; `carry` of it lasts. */
static void run_race(struct race *r, const double *slower, double noise, double carry)
{
	double shared = 0, own[RACE_MAX] = { 0 };

	for (size_t round = 0; round < RACE_ROUNDS; round++) {
		shared = 0.9 * shared + 0.1 * normal();
		for (size_t i = 0; i < r->n; i++) {
			own[i] = carry * own[i] + noise * normal() * (unit() < 0.03 ? 8 : 1);
			if (!r->out[i])
				race_add(r, i, -9 + shared + own[i] + slower[i]);
		}
		race_eliminate(r);
		if (race_decided(r))
			return;
	}
}

/* Some pair of the race is told apart, whether it left early or not. */
static bool any_apart(const struct race *r)
{
	for (size_t a = 0; a < r->n; a++)
		for (size_t b = 0; b < a; b++) {
			struct race_gap g = race_gap(r, a, b);

			if (race_apart(&g))
				return true;
		}
	return false;
}

static void equals_are_not_told_apart(void **state)
{
	static const double equal[RACE_MAX];
	const size_t sizes[] = { 2, 6, 16 };

	(void)state;
	for (size_t s = 0; s < 3; s++)
		for (int kind = 0; kind < 2; kind++) {
			int told = 0;

			for (int i = 0; i < RACES; i++) {
				struct race r = { .n = sizes[s] };

				run_race(&r, equal, 0.04, kind ? 0.3 : 0);
				told += any_apart(&r);
			}
			print_message("%zu equal candidates, noise that lasts: %d: %d of %d races told some apart\n",
				      sizes[s], kind, told, RACES);
			assert_true(told <= RACES / 20);
		}
}

static void the_fastest_wins_and_the_slow_leave(void **state)
{
	const double slower[16] = { 0.1, 0.2, 0, 0.7, 0.3, 0.5, 0.9, 0.06, 0.4, 2, 3, 1, 0.15, 0.25, 0.8, 0.6 };
	size_t measured = 0, far = 0;

	(void)state;
	for (int i = 0; i < RACES; i++) {
		struct race r = { .n = 16 };

		run_race(&r, slower, 0.03, 0);
		for (size_t c = 0; c < r.n; c++)
			measured += r.rounds[c];
		far += slower[race_leader(&r)] > 0.05;
		assert_true(r.out[9] && r.rounds[9] == RACE_HOPELESS && !r.out[race_leader(&r)]);
	}
	assert_true(far <= RACES / 100);
	assert_true(measured < (size_t)RACES * 16 * RACE_ROUNDS / 4);
}

static void a_difference_beyond_doubt_is_told(void **state)
{
	const double slower[2] = { 0, 0.05 };
	int told = 0;

	(void)state;
	for (int i = 0; i < RACES; i++) {
		struct race r = { .n = 2 };

		run_race(&r, slower, 0.01, 0);
		told += any_apart(&r) && race_leader(&r) == 0;
	}
	assert_true(told > RACES * 9 / 10);
}

static void equals_with_little_noise_are_soon_decided(void **state)
{
	static const double equal[RACE_MAX];
	struct race r = { .n = 4 };

	(void)state;
	run_race(&r, equal, 0.001, 0);
	assert_true(race_decided(&r) && r.rounds[0] == RACE_FIRST);
}

/* Neither can be 5 % faster; one may be 3 % slower. */
static void what_could_only_tell_equals_apart_is_not_measured(void **state)
{
	struct race r = { .n = 2 };

	(void)state;
	for (int i = 0; i < RACE_FIRST; i++) {
		race_add(&r, 0, 0);
		race_add(&r, 1, i % 2 ? 0.03 : -0.01);
		assert_true(i + 1 == RACE_FIRST || !race_decided(&r));
	}
	assert_true(race_decided(&r));
}

static void too_few_rounds_have_no_interval(void **state)
{
	struct race r = { .n = 2 };
	struct race_gap g = race_gap(&r, 0, 1);

	(void)state;
	assert_true(isnan(g.mean) && race_leader(&r) == 2);
	race_add(&r, 0, 1);
	race_add(&r, 1, 2);
	g = race_gap(&r, 1, 0);
	assert_true(g.mean == 1 && isnan(g.low) && !race_apart(&g));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_are_not_told_apart),
		cmocka_unit_test(the_fastest_wins_and_the_slow_leave),
		cmocka_unit_test(a_difference_beyond_doubt_is_told),
		cmocka_unit_test(equals_with_little_noise_are_soon_decided),
		cmocka_unit_test(what_could_only_tell_equals_apart_is_not_measured),
		cmocka_unit_test(too_few_rounds_have_no_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
