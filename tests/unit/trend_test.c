/* Trends and jumps: right on what is known, and seldom wrong on noise of every kind. */
#include "random.h"
#include "test.h"

#include "stats/changes.h"

#include <math.h>

enum noise { INDEPENDENT, RELATED, SKEWED, HEAVY, NOISES };

static const char *const names[] = { "independent", "related", "skewed", "heavy-tailed" };

/* n points of unit noise around 0, with weights 1..3. */
static void make(struct trend_point *p, size_t n, enum noise noise)
{
	double v = normal();

	for (size_t i = 0; i < n; i++) {
		v = noise == RELATED ? 0.5 * v + sqrt(0.75) * normal() : normal();
		p[i] = (struct trend_point){ (double)i, v, 1 + (double)(i % 3) };
		if (noise == SKEWED)
			p[i].value = -log(unit());
		if (noise == HEAVY)
			p[i].value = v / fmax(0.05, fabs(normal()));
	}
}

static void a_line_is_found_exactly(void **state)
{
	struct trend_point p[50];
	struct trend_line line;

	(void)state;
	for (size_t i = 0; i < 50; i++)
		p[i] = (struct trend_point){ 3 + 2 * (double)i, 7 - 0.25 * (double)i, 1 + (double)(i * i % 7) };
	line = trend_fit(p, 50);
	assert_float_equal(line.slope, -0.125, 1e-15);
	assert_float_equal(line.at_start, 7, 1e-13);
	assert_float_equal(line.low, line.slope, 1e-12);
	assert_float_equal(line.high, line.slope, 1e-12);
}

static void weights_are_repetitions(void **state)
{
	struct trend_point once[40], again[120];
	size_t n = 0;

	(void)state;
	seed = 7;
	make(once, 40, INDEPENDENT);
	for (size_t i = 0; i < 40; i++)
		for (double w = 0; w < once[i].weight; w++)
			again[n++] = (struct trend_point){ once[i].t, once[i].value, 1 };
	assert_float_equal(trend_fit(once, 40).slope, trend_fit(again, n).slope, 1e-12);
}

static void too_little_is_unknown(void **state)
{
	struct trend_point p[5] = { { 0, 1, 1 }, { 1, 2, 1 }, { 2, 2, 1 }, { 3, 4, 1 }, { 4, 4, 1 } };
	struct trend_point same[4] = { { 1, 1, 1 }, { 1, 2, 1 }, { 1, 3, 1 }, { 1, 4, 1 } };
	struct change change[4];

	(void)state;
	assert_true(isnan(trend_fit(p, 0).slope));
	assert_true(isnan(trend_fit(p, 2).slope));
	assert_true(isnan(trend_fit(same, 4).slope));
	assert_true(isfinite(trend_fit(p, 5).slope));
	assert_true(isnan(trend_fit(p, 5).low));
	assert_int_equal(changes_find(p, 0, change, 4), 0);
	assert_int_equal(changes_find(p, 5, change, 4), 0);
}

/* The interval of 95 % misses the true slope about 5 times of 100, whatever the noise. */
static void intervals_hold_the_slope(void **state)
{
	enum { ROUNDS = 2000, N = 200 };
	struct trend_point p[N];

	(void)state;
	for (int noise = 0; noise < NOISES; noise++) {
		int missed = 0;

		seed = 42 + (uint64_t)noise;
		for (int r = 0; r < ROUNDS; r++) {
			struct trend_line line;

			make(p, N, (enum noise)noise);
			for (size_t i = 0; i < N; i++)
				p[i].value += 0.03 * p[i].t;
			line = trend_fit(p, N);
			missed += !(line.low <= 0.03 && 0.03 <= line.high);
		}
		if (missed > ROUNDS * 8 / 100 || missed < ROUNDS * 2 / 100)
			fail_msg("%s noise: %d of %d intervals miss", names[noise], missed, ROUNDS);
	}
}

/* Means of 65 values in a row of a level whose noise keeps `keep` of itself from value to value, 10 % of the level;
 * from value `at` on the level is higher by `jump`. */
static void make_buckets(struct trend_point *p, size_t n, double keep, size_t at, double jump)
{
	enum { VALUES = 65 };
	double v = normal();

	for (size_t i = 0; i < n; i++) {
		double sum = 0;

		for (size_t k = 0; k < VALUES; k++) {
			v = keep * v + sqrt(1 - keep * keep) * normal();
			sum += (1 + (i * VALUES + k >= at ? jump : 0)) * (1 + 0.1 * v);
		}
		p[i] = (struct trend_point){ (double)i, 30 * sum / VALUES, VALUES };
	}
}

/* 20,000 values in 308 buckets. */
static void long_memory_makes_no_jumps_and_no_trends(void **state)
{
	enum { ROUNDS = 120, N = 308 };
	static const double keep[] = { 0, 0.9, 0.99, 0.999 };
	struct trend_point p[N];
	struct change change[8];

	(void)state;
	for (size_t k = 0; k < sizeof keep / sizeof *keep; k++) {
		int jumps = 0, trends = 0;

		seed = 300 + k;
		for (int r = 0; r < ROUNDS; r++) {
			struct trend_line line;

			make_buckets(p, N, keep[k], SIZE_MAX, 0);
			line = trend_fit(p, N);
			jumps += changes_find(p, N, change, 8) > 0;
			trends += fabs(line.slope) > 1.31 * (line.high - line.low) / 2;
		}
		if (jumps > ROUNDS * 4 / 100 || trends > ROUNDS * 5 / 100)
			fail_msg("memory %.3f: jumps in %d, trends in %d of %d", keep[k], jumps, trends, ROUNDS);
	}
}

static void jumps_in_long_memory_are_found(void **state)
{
	enum { ROUNDS = 250, N = 308 };
	struct trend_point p[N];
	struct change change[8];
	int found = 0;

	(void)state;
	seed = 310;
	for (int r = 0; r < ROUNDS; r++) {
		size_t at = (size_t)((0.3 + 0.4 * unit()) * N), n;

		make_buckets(p, N, 0.99, at * 65, 0.2);
		n = changes_find(p, N, change, 8);
		found += n == 1 && change[0].at + 15 > at && change[0].at < at + 15;
	}
	if (found < ROUNDS * 92 / 100)
		fail_msg("a jump of 20 %% was found in %d of %d", found, ROUNDS);
}

/* One bucket in eight holds a slow call: no level, and no end of the search for one. */
static void rare_slow_calls_are_no_levels(void **state)
{
	enum { ROUNDS = 120, N = 308 };
	struct trend_point p[N];
	struct change change[8];

	(void)state;
	for (int jump = 0; jump < 2; jump++) {
		int found = 0;

		seed = 320;
		for (int r = 0; r < ROUNDS; r++) {
			make_buckets(p, N, 0.9, (size_t)(N * 65 / 2), 0.2 * jump);
			for (size_t i = 0; i < N; i++)
				p[i].value += unit() < 0.13 ? 15 : 0;
			found += changes_find(p, N, change, 8) > 0;
		}
		if (jump ? found < ROUNDS * 95 / 100 : found > ROUNDS * 5 / 100)
			fail_msg("jump %d: found in %d of %d", jump, found, ROUNDS);
	}
}

static void noise_and_drift_are_no_jumps(void **state)
{
	enum { ROUNDS = 300, N = 512 };
	struct trend_point p[N];
	struct change change[8];

	(void)state;
	for (int noise = 0; noise < NOISES; noise++)
		for (int drift = 0; drift < 2; drift++) {
			int wrong = 0;

			seed = 4711 + (uint64_t)noise;
			for (int r = 0; r < ROUNDS; r++) {
				make(p, N, (enum noise)noise);
				for (size_t i = 0; i < N; i++)
					p[i].value += drift * 8 * p[i].t / N;
				wrong += changes_find(p, N, change, 8) > 0;
			}
			if (wrong > ROUNDS * 5 / 100)
				fail_msg("%s noise, drift %d: jumps in %d of %d", names[noise], drift, wrong, ROUNDS);
		}
}

static void jumps_are_found_where_they_are(void **state)
{
	enum { ROUNDS = 100, N = 400 };
	struct trend_point p[N];
	struct change change[8];
	int found = 0;

	(void)state;
	seed = 99;
	for (int r = 0; r < ROUNDS; r++) {
		size_t n;

		make(p, N, RELATED);
		for (size_t i = 0; i < N; i++) /* a step up, and a burst in what follows */
			p[i].value += i < 100 ? 10 : i >= 250 && i < 290 ? 20 : 14;
		n = changes_find(p, N, change, 8);
		found += n == 3 && change[0].at >= 98 && change[0].at <= 102 && change[1].at >= 249 &&
			 change[1].at <= 251 && change[2].at >= 289 && change[2].at <= 291 &&
			 fabs(change[0].before - 10) < 0.7 && fabs(change[0].after - 14) < 0.7 &&
			 fabs(change[1].after - 20) < 1.2 && fabs(change[2].after - 14) < 0.7;
	}
	if (found < 90)
		fail_msg("the three jumps were found in %d of %d", found, ROUNDS);
}

static void constants_and_steps_without_noise(void **state)
{
	struct trend_point p[64];
	struct change change[8];

	(void)state;
	for (size_t i = 0; i < 64; i++)
		p[i] = (struct trend_point){ (double)i, 2457.2, 3 };
	assert_int_equal(changes_find(p, 64, change, 8), 0);
	assert_true(trend_fit(p, 64).slope == 0 && trend_fit(p, 64).high == 0);
	for (size_t i = 32; i < 64; i++)
		p[i].value = 3000;
	assert_int_equal(changes_find(p, 64, change, 8), 1);
	assert_int_equal(change[0].at, 32);
	assert_true(change[0].before == 2457.2 || fabs(change[0].before - 2457.2) < 1e-9);
	assert_float_equal(change[0].after, 3000, 1e-9);
}

static void the_clearest_fill_a_small_list(void **state)
{
	struct trend_point p[TREND_MAX];
	struct change change[2];
	size_t n;

	(void)state;
	seed = 5;
	make(p, TREND_MAX, INDEPENDENT);
	for (size_t i = 0; i < TREND_MAX; i++)
		p[i].value += 30.0 * (double)(i / 128);
	n = changes_find(p, TREND_MAX, change, 2);
	assert_int_equal(n, 2);
	assert_true(change[0].at < change[1].at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_found_exactly),
		cmocka_unit_test(weights_are_repetitions),
		cmocka_unit_test(too_little_is_unknown),
		cmocka_unit_test(intervals_hold_the_slope),
		cmocka_unit_test(noise_and_drift_are_no_jumps),
		cmocka_unit_test(long_memory_makes_no_jumps_and_no_trends),
		cmocka_unit_test(jumps_in_long_memory_are_found),
		cmocka_unit_test(rare_slow_calls_are_no_levels),
		cmocka_unit_test(jumps_are_found_where_they_are),
		cmocka_unit_test(constants_and_steps_without_noise),
		cmocka_unit_test(the_clearest_fill_a_small_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
