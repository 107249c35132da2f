/* The unusual: a rarity means a rate whatever the noise, faults of known kinds are seen, and quiet ones are not. */
#include "random.h"
#include "test.h"

#include "forecast/unusual.h"

#include <math.h>
#include <stdlib.h>

enum noise { INDEPENDENT, RELATED, SKEWED, WALK, COUNTS, NOISES };

static double draw(enum noise noise, double *state)
{
	double e = normal();

	switch (noise) {
	case RELATED:
		return *state = 0.9 * *state + 0.436 * e;
	case SKEWED:
		return exp(e);
	case WALK:
		return *state += e;
	case COUNTS:
		return floor(-3 * log(unit()));
	default:
		return e;
	}
}

static void a_rarity_is_a_rate(void **state)
{
	enum { N = 40000, LEARN = 1000 };

	(void)state;
	for (int noise = 0; noise < NOISES; noise++) {
		struct unusual *u = calloc(1, sizeof *u);
		double at = 0;
		int hundred = 0, thousand = 0, ten_thousand = 0;

		for (int i = 0; i < N + LEARN; i++) {
			double rarity = unusual_add(u, draw((enum noise)noise, &at), -1).rarity;

			hundred += i >= LEARN && rarity >= 2;
			thousand += i >= LEARN && rarity >= 3;
			ten_thousand += i >= LEARN && rarity >= 4;
		}
		assert_in_range(hundred, N / 200, N / 60);
		assert_in_range(thousand, 0, 2 * N / 1000);
		assert_in_range(ten_thousand, 0, 3 * N / 10000);
		free(u);
	}
}

/* Most that is said of points from..to, of unit noise around 40 with a fault in them. */
enum fault { SHIFT, STUCK, BURST, FAULTS };

static double most_unusual(enum fault fault, struct unusual_answer *what)
{
	enum { FROM = 3000, TO = 3060 };
	struct unusual *u = calloc(1, sizeof *u);
	double most = 0;

	for (int i = 0; i < TO; i++) {
		double noise = normal();
		bool in = i >= FROM;
		double v = 40 + (in && fault == BURST ? 5 : 1) * noise + (in && fault == SHIFT ? 8 : 0);
		struct unusual_answer a = unusual_add(u, in && fault == STUCK ? 40 : v, -1);

		if (!in || a.rarity <= most)
			continue;
		most = a.rarity;
		*what = a;
	}
	free(u);
	return most;
}

static void faults_are_seen(void **state)
{
	(void)state;
	for (int fault = 0; fault < FAULTS; fault++) {
		struct unusual_answer what = { .rarity = 0 };

		assert_true(most_unusual((enum fault)fault, &what) > 3);
		assert_int_equal(what.sign == UNUSUAL_STUCK, fault == STUCK);
		if (fault == SHIFT)
			assert_true(what.usual > 38 && what.usual < 43);
	}
}

static void what_was_told_rests(void **state)
{
	struct refractory quiet = { 0 };

	(void)state;
	assert_true(refractory_pass(&quiet, 4, 100) > 0);
	assert_true(refractory_pass(&quiet, 4, 100) > 0); /* the bar has begun to fall */
	assert_true(refractory_pass(&quiet, 3.9, 100) == 0);
	assert_true(refractory_pass(&quiet, 5, 100) > 0);
	for (int i = 0; i < 100; i++)
		refractory_pass(&quiet, 0, 100);
	assert_true(refractory_pass(&quiet, 2, 100) > 0);
}

/* A stall: its own record is rare, and those after it are not, if it is forgotten. */
static void a_single_far_value_makes_only_itself_unusual(void **state)
{
	(void)state;
	for (int forgets = 0; forgets < 2; forgets++) {
		struct unusual u = { .wait = UNUSUAL_WAIT_MOST, .forgets = forgets };
		double after = 0;

		for (int i = 0; i < 5000; i++)
			unusual_add(&u, 40 + normal(), -1);
		assert_true(unusual_add(&u, 400, -1).rarity > 4.5);
		for (int i = 0; i < 30; i++)
			after = fmax(after, unusual_add(&u, 40 + normal(), -1).rarity);
		assert_true(forgets ? after < 3.5 : after > 4.5);
	}
}

/* A level that stays far away is usual in the end, from noise and from a constant. */
static void a_new_level_is_usual_in_the_end(void **state)
{
	(void)state;
	for (int noise = 0; noise < 2; noise++) {
		struct unusual u = { .wait = UNUSUAL_WAIT_MOST, .forgets = true };
		int rare = 0;

		for (int i = 0; i < 5000; i++)
			unusual_add(&u, 40 + noise * normal(), -1);
		for (int i = 0; i < 5000; i++)
			rare += unusual_add(&u, 400 + noise * normal(), -1).rarity > 3.5 && i > 1000;
		assert_int_equal(rare, 0);
	}
}

static void what_does_not_vary_is_not_unusual(void **state)
{
	struct unusual *u = calloc(1, sizeof *u);

	(void)state;
	for (int i = 0; i < 2000; i++)
		assert_true(unusual_add(u, 7, (double)(i % 48) / 48).rarity < 1);
	assert_true(unusual_add(u, 1e300, 0.5).rarity > 1); /* and nothing overflows */
	assert_true(isfinite(unusual_add(u, -1e300, 0.5).rarity));
	free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rarity_is_a_rate),
		cmocka_unit_test(faults_are_seen),
		cmocka_unit_test(what_was_told_rests),
		cmocka_unit_test(a_single_far_value_makes_only_itself_unusual),
		cmocka_unit_test(a_new_level_is_usual_in_the_end),
		cmocka_unit_test(what_does_not_vary_is_not_unusual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
