/* Samples that are held until the next one count once in the search for jumps; a level that changes for good is found.
 */
#include "analyze/trends.h"
#include "test.h"

enum { BUCKETS = 500, HELD = 25 };

static struct bucket row[BUCKETS];

static const struct series *series_of(enum metric_id m)
{
	static struct series s;

	s = (struct series){ .width_us = 1000000, .n = BUCKETS };
	s.metric[m] = row;
	return &s;
}

static void hold(size_t at, double from, double to)
{
	row[at] = (struct bucket){ .count = 4, .min = from < to ? from : to, .max = from < to ? to : from };
	row[at].mean = (from + 3 * to) / 4;
}

/* Twenty independent samples, each repeated by 25 buckets, and buckets in which one follows the other. */
static void held_samples_are_no_jumps(void **state)
{
	static const double sample[BUCKETS / HELD] = { 75, 72, 78, 74, 76, 78, 74, 75, 78, 76,
						       77, 79, 77, 73, 76, 75, 78, 74, 77, 75 };
	struct change_point change[FINDINGS_CHANGES_MAX];

	(void)state;
	for (size_t i = 0; i < BUCKETS; i++)
		hold(i, sample[i / HELD], sample[i / HELD]);
	for (size_t i = HELD; i < BUCKETS; i += HELD)
		hold(i, sample[i / HELD - 1], sample[i / HELD]);
	assert_int_equal(trends_changes(series_of(M_TOKEN_REPETITION_PCT), M_TOKEN_REPETITION_PCT, change), 0);
}

/* What never changed before and after, such as a memory's size. */
static void one_jump_is_found(void **state)
{
	struct change_point change[FINDINGS_CHANGES_MAX];

	(void)state;
	for (size_t i = 0; i < BUCKETS; i++)
		hold(i, i < 200 ? 4000 : 7000, i < 200 ? 4000 : 7000);
	assert_int_equal(trends_changes(series_of(M_VRAM_USED_MB), M_VRAM_USED_MB, change), 1);
	assert_int_equal(change[0].time_us, 200 * 1000000);
}

/* Throughput over 100 tokens jumps when prompts come and go; a jump of speed is one of latency too. */
static void throughput_jumps_with_latency_alone(void **state)
{
	static struct bucket latency[BUCKETS];
	struct change_point change[FINDINGS_CHANGES_MAX];
	struct series s = { .width_us = 1000000, .n = BUCKETS };

	(void)state;
	s.metric[M_THROUGHPUT_TPS] = row;
	s.metric[M_TOKEN_LATENCY_MS] = latency;
	for (size_t i = 0; i < BUCKETS; i++) {
		double noise = (double)(i * 7919 % 13) / 13 - 0.5, tps = (i < 250 ? 100 : 50) + noise;

		row[i] = (struct bucket){ .count = 4, .min = tps - 1, .max = tps + 1, .mean = tps };
		latency[i] = (struct bucket){ .count = 4, .min = 9, .max = 11, .mean = 10 + noise / 10 };
	}
	assert_int_equal(trends_changes(&s, M_THROUGHPUT_TPS, change), 0);
	for (size_t i = 250; i < BUCKETS; i++)
		latency[i].mean *= 2;
	assert_int_equal(trends_changes(&s, M_THROUGHPUT_TPS, change), 1);
	assert_int_equal(change[0].time_us, 250 * 1000000);
	for (size_t i = 250; i < BUCKETS; i++)
		latency[i].mean /= 4; /* the same way is no reason */
	assert_int_equal(trends_changes(&s, M_THROUGHPUT_TPS, change), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_samples_are_no_jumps),
		cmocka_unit_test(one_jump_is_found),
		cmocka_unit_test(throughput_jumps_with_latency_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
