/* Forecasts: what is a line is foreseen, what is chance is not, and intervals hold as often as they say. */
#include "random.h"
#include "test.h"

#include "forecast/breaks.h"
#include "forecast/forecast.h"
#include "forecast/foretell.h"

#include <math.h>

enum kind { RAMP, WAVE, WALK, SWING, JUMP, KINDS };
enum { N = 120, AHEAD = 32, ROUNDS = 60 };

static void make(double *y, enum kind kind)
{
	double walk = 0, swing = 0;

	for (int i = 0; i < N + AHEAD; i++) {
		double noise = normal();

		walk += noise;
		swing = 0.8 * swing + 0.6 * noise;
		y[i] = kind == RAMP   ? 0.1 * i + noise
		       : kind == WAVE ? 2 * sin(6.283185307179586 * i / 20) + noise
		       : kind == WALK ? walk
		       : kind == JUMP ? (i > N / 2 ? 5 : 0) + noise
				      : swing;
	}
}

static void what_has_a_pattern_is_foreseen_and_chance_is_not(void **state)
{
	static const struct {
		int least, most; /* of ROUNDS that find skill */
	} want[KINDS] = { [RAMP] = { 50, ROUNDS },
			  [WAVE] = { 45, ROUNDS },
			  [WALK] = { 0, 5 },
			  [SWING] = { 0, 5 },
			  [JUMP] = { 0, 5 } };

	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		double y[N + AHEAD], inside = 0, all = 0;
		int skilled = 0;

		for (int round = 0; round < ROUNDS; round++) {
			struct forecast f;

			make(y, (enum kind)kind);
			forecast_series(y, N, forecast_ends(y, N), NULL, &f);
			skilled += f.state == FORECAST_SKILLED;
			for (size_t k = 0; f.state == FORECAST_SKILLED && k < f.steps; k++) {
				inside += y[N + k] >= f.step[k].low && y[N + k] <= f.step[k].high;
				all++;
			}
		}
		assert_in_range(skilled, want[kind].least, want[kind].most);
		if (skilled > ROUNDS / 2)
			assert_true(inside / all > 0.85 && inside / all < 0.98);
	}
}

static void a_line_reaches_its_limit_when_it_does(void **state)
{
	struct forecast_reach r;
	struct forecast f;
	double y[100];

	(void)state;
	for (int i = 0; i < 100; i++)
		y[i] = i % 7 == 3 ? (double)NAN : 5 + 2 * i; /* gaps are no values */
	forecast_series(y, 100, forecast_ends(y, 100), NULL, &f);
	assert_int_equal(f.state, FORECAST_SKILLED);
	assert_int_equal(f.model, FORECAST_LINE);
	r = forecast_reach(&f, 5 + 2 * 109, true); /* ten steps on */
	assert_float_equal(r.at, 10, 1e-9);
	assert_true(r.tested && !r.now && r.early <= r.at && r.late >= r.at);
	r = forecast_reach(&f, 5 + 2 * 299, true);
	assert_float_equal(r.at, 200, 1e-9);
	assert_false(r.tested);
	assert_true(isinf(forecast_reach(&f, 0, false).at));
	assert_true(forecast_reach(&f, 100, true).now);
}

static void what_cannot_be_told_is_said(void **state)
{
	struct forecast f;
	double y[FORECAST_POINTS_MAX];

	(void)state;
	for (int i = 0; i < FORECAST_POINTS_MAX; i++)
		y[i] = 7;
	forecast_series(y, FORECAST_POINTS_MAX, forecast_ends(y, FORECAST_POINTS_MAX), NULL, &f);
	assert_int_equal(f.state, FORECAST_CONSTANT);
	forecast_series(y, FORECAST_POINTS_LEAST - 1, forecast_ends(y, FORECAST_POINTS_LEAST - 1), NULL, &f);
	assert_int_equal(f.state, FORECAST_TOO_SHORT);
	for (int i = 0; i < FORECAST_POINTS_MAX; i++)
		y[i] = (double)NAN;
	forecast_series(y, FORECAST_POINTS_MAX, forecast_ends(y, FORECAST_POINTS_MAX), NULL, &f);
	assert_int_equal(f.state, FORECAST_TOO_SHORT);
	forecast_series(y, 0, forecast_ends(y, 0), NULL, &f);
	assert_int_equal(f.state, FORECAST_TOO_SHORT);
	y[0] = 1e300;
	y[1] = -1e300;
	for (int i = 2; i < FORECAST_POINTS_MAX; i++)
		y[i] = i % 2 ? 1e300 : -1e300;
	forecast_series(y, FORECAST_POINTS_MAX, forecast_ends(y, FORECAST_POINTS_MAX), NULL,
			&f); /* nothing overflows into a forecast */
	assert_true(f.state != FORECAST_SKILLED || isfinite(f.step[0].value));
}

/* A level with noise is predicted from its mean, until the newest points leave it. */
static void what_no_longer_goes_on_is_not_foreseen(void **state)
{
	int level = 0, left = 0;
	struct forecast f;
	double y[N];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < N; i++)
			y[i] = normal();
		forecast_series(y, N, forecast_ends(y, N), NULL, &f);
		level += f.state == FORECAST_SKILLED;
		for (int i = N - 6; i < N; i++)
			y[i] += 2 * (i - N + 7);
		forecast_series(y, N, forecast_ends(y, N), NULL, &f);
		left += f.state == FORECAST_SKILLED;
	}
	assert_true(level > ROUNDS / 2);
	assert_true(left < ROUNDS / 10);
}

/* A course is as likely to end as it has been seen to: what it has not shown to last so long has no end of the interval
 * on that side, and the interval of values widens towards where it would be then, on that side alone. */
static void a_course_may_end(void **state)
{
	struct forecast f, sure;
	struct forecast_reach r;
	const struct forecast_step *last = &f.step[AHEAD - 3];
	double y[N];

	(void)state;
	for (int i = 0; i < N; i++)
		y[i] = 5 * i + normal();
	forecast_series(y, N, forecast_ends(y, N), NULL, &f);
	forecast_series(y, N, 0, NULL, &sure);
	assert_int_equal(f.state, FORECAST_SKILLED);
	assert_float_equal(f.ends, 0.5 / N, 1e-12);
	assert_true(last->high - last->value < 10 && last->value - last->low > 25);
	assert_true(last->value - last->low < 5 * AHEAD);
	assert_true(isfinite(forecast_reach(&f, 5.0 * (N + 5), true).late));
	r = forecast_reach(&f, 5.0 * 2 * N, true);
	assert_true(isfinite(r.early) && isinf(r.late));
	assert_true(isfinite(forecast_reach(&sure, 5.0 * 2 * N, true).late));
	for (int i = 0; i < N; i++)
		y[i] = -y[i];
	forecast_series(y, N, forecast_ends(y, N), NULL, &f);
	assert_true(last->value - last->low < 10 && last->high - last->value > 25);
	assert_true(isinf(forecast_reach(&f, -5.0 * 2 * N, false).late));
}

static void breaks_are_where_the_course_changes(void **state)
{
	int found = 0, none = 0, walks = 0;
	double y[N], related = 0;
	struct breaks b;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < N; i++)
			y[i] = (i < 40 ? 0 : i < 90 ? i - 40 : 140 - i) + normal();
		b = breaks_find(y, N);
		found += b.n == 2 && b.last >= 87 && b.last <= 93;
		for (int i = 0; i < N; i++)
			y[i] = 0.1 * i + (related = 0.7 * related + normal());
		none += !breaks_find(y, N).n;
		for (int i = 1; i < N; i++)
			y[i] = y[i - 1] + normal();
		walks += breaks_find(y, N).n > 0;
	}
	assert_true(found > ROUNDS * 9 / 10);
	assert_true(none > ROUNDS * 9 / 10);
	assert_true(walks > ROUNDS / 2);
	for (int i = 0; i < N; i++)
		y[i] = 1e6 + 3.0 * i; /* a line without noise, and a level, are one piece */
	assert_int_equal(breaks_find(y, N).n, 0);
	for (int i = 0; i < N; i++)
		y[i] = 7;
	b = breaks_find(y, N);
	assert_true(!b.n && !b.last);
	assert_true(!breaks_find(y, 0).n && !breaks_find(y, 3).n);
}

/* The look at the pairs of points rules no limit out that the line crosses, and most that it does not. */
static void a_limit_that_is_ruled_out_is_not_crossed(void **state)
{
	int crossed = 0, looked = 0, held = 0;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct foretell f = { .over_us = 30000000 };
		double slope = round % 3 ? 0 : 20 * normal(), noise = round % 2 ? 100 : 1;

		for (int64_t us = 0; us < 90000000; us += 1 + (int64_t)(unit() * 3000000)) {
			double above = 1000 + 2000 * unit(), below = -above;

			foretell_add(&f, us, slope * (double)us / 1e6 + noise * normal());
			for (int side = 0; side < 2; side++) {
				bool may = foretell_may_cross(&f, us, 60000000, side ? NAN : above, side ? below : NAN);
				double at = foretell_at(&f, us, 60000000);
				bool does = side ? at < below : at > above;

				assert_true(may || !does);
				crossed += does;
				looked += may;
				held++;
			}
		}
	}
	assert_true(crossed > 1000 && looked < 2 * crossed && looked < held / 2);
}

/* A ramp over a clock that is set back by an hour: what is foretold goes on, a moment later. */
static void a_clock_that_steps_back_goes_on(void **state)
{
	const int64_t hour = INT64_C(3600000000), second = 1000000;
	struct foretell f = { .over_us = 30 * second };

	(void)state;
	for (int64_t i = 0; i < 120; i++) {
		const int64_t us = 2 * hour + i * second - (i >= 60 ? hour : 0);

		foretell_add(&f, us, 10 * (double)i);
		if (i < 40)
			continue;
		assert_true(f.told);
		assert_true(fabs(foretell_at(&f, us, 10 * second) - 10 * (double)(i + 10)) < 30);
	}
}

/* Values of two clocks in turn, an hour apart, are a ramp all the same, as seen from either. */
static void two_clocks_in_turn_are_one_ramp(void **state)
{
	const int64_t hour = INT64_C(3600000000), second = 1000000;
	struct foretell f = { .over_us = 30 * second };

	(void)state;
	for (int64_t i = 0; i < 240; i++) {
		const int64_t us = 2 * hour + i * second / 2 - (i % 2 ? hour : 0);

		foretell_add(&f, us, 5 * (double)i);
		if (i < 80)
			continue;
		assert_true(f.told);
		assert_true(fabs(foretell_at(&f, us, 10 * second) - 5 * (double)(i + 20)) < 30);
	}
}

/* Wherever it is, with few points and with many; a slope that begins or ends among the points is one. */
static void a_step_of_the_level_is_no_slope(void **state)
{
	const int64_t second = 1000000;
	double seconds[] = { 0.1, 1, 5 };

	(void)state;
	for (size_t e = 0; e < sizeof seconds / sizeof *seconds; e++)
		for (int down = 0; down < 2; down++) {
			struct foretell f = { .over_us = 30 * second }, g = f;
			const double step = down ? -6000 : 6000;

			for (double t = 0; t < 200; t += seconds[e]) {
				const int64_t us = (int64_t)(t * 1e6);
				double at, going;

				foretell_add(&f, us, 9000 + (t >= 100 ? step : 0) + 5 * normal());
				foretell_add(&g, us, 9000 + (t >= 100 ? step * (t - 100) / 100 : 0) + 5 * normal());
				at = foretell_at(&f, us, 120 * second);
				going = foretell_at(&g, us, 100 * second);
				if (!isnan(at) && !(at > 8000 - 6000 * down && at < 16000 - 6000 * down))
					fail_msg("a record each %g s, at %g: %g", seconds[e], t, at);
				if (t > 135 && fabs(going - (9000 + step * t / 100)) > 400)
					fail_msg("a record each %g s, at %g: %g", seconds[e], t, going);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_of_the_level_is_no_slope),
		cmocka_unit_test(what_has_a_pattern_is_foreseen_and_chance_is_not),
		cmocka_unit_test(a_line_reaches_its_limit_when_it_does),
		cmocka_unit_test(what_cannot_be_told_is_said),
		cmocka_unit_test(what_no_longer_goes_on_is_not_foreseen),
		cmocka_unit_test(a_course_may_end),
		cmocka_unit_test(breaks_are_where_the_course_changes),
		cmocka_unit_test(a_limit_that_is_ruled_out_is_not_crossed),
		cmocka_unit_test(a_clock_that_steps_back_goes_on),
		cmocka_unit_test(two_clocks_in_turn_are_one_ramp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
