/* Student's distribution against published tables and closed forms. */
#include "test.h"

#include "stats/student.h"

#include <math.h>

static void quantiles_are_those_of_the_tables(void **state)
{
	static const struct {
		double chance, freedom, value;
	} table[] = {
		{ 0.05, 1, 12.7062 },  { 0.05, 2, 4.30265 },  { 0.05, 3, 3.18245 },    { 0.05, 4, 2.77645 },
		{ 0.05, 10, 2.22814 }, { 0.05, 30, 2.04227 }, { 0.05, 1e9, 1.95996 },  { 0.01, 2, 9.92484 },
		{ 0.01, 5, 4.03214 },  { 0.001, 3, 12.9240 }, { 0.001, 120, 3.37345 }, { 0.10, 4, 2.13185 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		double t = student_reach(table[i].chance, table[i].freedom);

		assert_true(fabs(t - table[i].value) <= 6e-5 * table[i].value);
		assert_true(fabs(student_chance(t, table[i].freedom) - table[i].chance) <= 1e-9);
		assert_true(fabs(student_chance(-t, table[i].freedom) - table[i].chance) <= 1e-9);
	}
}

/* With one and two degrees of freedom the distribution has closed forms. */
static void tails_are_exact_however_far_out(void **state)
{
	(void)state;
	for (double t = 1e-6; t < 1e6; t *= 7) {
		double cauchy = 2 * atan(1 / t) / M_PI, two = 2 / (sqrt(2 + t * t) * (sqrt(2 + t * t) + t));

		assert_true(fabs(student_chance(t, 1) / cauchy - 1) <= 1e-9);
		assert_true(fabs(student_chance(t, 2) / two - 1) <= 1e-9);
	}
	assert_true(student_chance(0, 3) == 1);
	assert_true(student_chance(INFINITY, 3) == 0 || student_chance(1e300, 3) < 1e-100);
	assert_true(isnan(student_chance((double)NAN, 3)));
	assert_true(fabs(student_chance(5, 999999) / student_chance(5, 1e6) - 1) <= 1e-3);
}

/* A fraction of a degree lies between its neighbours. */
static void freedom_need_not_be_whole(void **state)
{
	(void)state;
	for (double freedom = 0.6; freedom < 5000; freedom *= 1.5)
		for (double chance = 0.5; chance > 1e-9; chance /= 9) {
			double t = student_reach(chance, freedom);

			assert_true(t > student_reach(chance, freedom * 1.1));
			assert_true(fabs(student_chance(t, freedom) / chance - 1) <= 1e-6);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_those_of_the_tables),
		cmocka_unit_test(tails_are_exact_however_far_out),
		cmocka_unit_test(freedom_need_not_be_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
