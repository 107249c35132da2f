/* Unusual moments of a log, and unusual minutes of a fleet: faults are told, and where nothing happens next to nothing
 * is. */
#include "random.h"
#include "test.h"

#include "analyze/minutes.h"
#include "stats/buckets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 500, MEASURED = 8, LOGS = 100 };

static struct bucket rows[MEASURED][N];

static const enum metric_id measured[MEASURED] = { M_TOKEN_LATENCY_MS,  M_CHUNK_PROCESS_TIME_MS, M_THROUGHPUT_TPS,
						   M_LOGITS_ENTROPY,    M_SURPRISAL_NATS,        M_STATE_SIMILARITY,
						   M_GPU_TEMPERATURE_C, M_CPU_UTILIZATION_PCT };

static double related(double *state)
{
	return *state = 0.8 * *state + 0.6 * normal();
}

/* Levels with noise: independent, related, or with long tails. */
static struct series calm(void)
{
	struct series s = { .width_us = 1000000, .n = N };

	for (int m = 0; m < MEASURED; m++) {
		double state = 0;

		for (int i = 0; i < N; i++) {
			const double e = m % 3 == 0 ? normal() : m % 3 == 1 ? related(&state) : exp(0.7 * normal());

			rows[m][i] = (struct bucket){ .count = 20, .min = 47 + e, .max = 53 + e, .mean = 50 + e };
		}
		s.metric[measured[m]] = rows[m];
	}
	return s;
}

static size_t moments_of(struct findings *f, const struct series *s)
{
	f->n_departures = 0;
	assert_true(departures_add(f, s, NULL));
	return f->n_departures;
}

/* Also before what several groups of metrics say at once. */
static void what_stays_beyond_comes_first(void **state)
{
	const double rare[2] = { 6, 6 }, together = departures_together(rare, 2, 1);

	(void)state;
	assert_true(together > 10);
	assert_true(departure_weight(0, 0.7) > departure_weight(2 * together, 0));
	assert_true(departure_weight(0, 0.8) > departure_weight(0, 0.7));
}

static void what_stays_beyond_is_told(void **state)
{
	struct departure room[DEPARTURES_MAX];
	struct findings f = { .departure = room };
	size_t by_chance = 0, told = 0, spikes = 0;

	(void)state;
	for (int k = 0; k < LOGS; k++) {
		struct series s = calm();

		by_chance += moments_of(&f, &s) > 0;
		s = calm();
		for (int i = 350; i < N; i++) /* to where a metric with related noise never was */
			rows[1][i].mean += 10;
		moments_of(&f, &s);
		for (size_t i = 0; i < f.n_departures; i++)
			told += room[i].from_us / 1000000 >= 350 && room[i].from_us / 1000000 < 353;
		s = calm();
		rows[2][350].mean += 8;
		rows[2][352].mean += 8;
		moments_of(&f, &s);
		for (size_t i = 0; i < f.n_departures; i++)
			for (size_t m = 0; m < room[i].n; m++)
				spikes += room[i].of[m].beyond > 0;
	}
	print_message("of %d logs: moments by chance in %zu, the new level told in %zu\n", LOGS, by_chance, told);
	assert_true(by_chance <= LOGS / 10);
	assert_true(told >= LOGS * 9 / 10);
	assert_true(spikes <= LOGS / 20);
}

static bool is_told(const struct series *s, size_t at)
{
	struct departure room[DEPARTURES_MAX];
	struct findings f = { .departure = room };
	bool told = false;

	moments_of(&f, s);
	for (size_t i = 0; i < f.n_departures; i++)
		told |= room[i].from_us / 1000000 == (int64_t)at;
	return told;
}

/* Of 20 calls of a bucket one is slow, or all are; of buckets with a call each one is slow, or ten in a row. */
static void one_slow_call_is_no_moment(void **state)
{
	enum { AT = 350 };
	static const struct {
		double all, one; /* slower by; of a row of buckets, and of one call */
		size_t count, lasts;
		bool told;
	} cases[] = {
		{ 0, 2000, 20, 1, false }, { 100, 0, 20, 1, true }, { 100, 0, 1, 1, false }, { 100, 0, 1, 10, true }
	};

	(void)state;
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		struct series s = calm();

		for (size_t i = 0; i < N; i++)
			rows[0][i].count = cases[k].count;
		for (size_t i = AT; i < AT + cases[k].lasts; i++) {
			rows[0][i].mean += cases[k].all + cases[k].one / (double)cases[k].count;
			rows[0][i].min += cases[k].all;
			rows[0][i].max += cases[k].all + cases[k].one;
		}
		assert_int_equal(is_told(&s, AT), cases[k].told);
	}
}

/* Throughput alone is looked at; beside latency it is not. */
static void throughput_is_left_to_latency(void **state)
{
	enum { AT = 350, THROUGHPUT = 2 };
	struct series s = calm();

	(void)state;
	for (size_t i = AT; i < AT + 10; i++) {
		rows[THROUGHPUT][i].mean += 1000;
		rows[THROUGHPUT][i].min += 1000;
		rows[THROUGHPUT][i].max += 1000;
	}
	assert_false(is_told(&s, AT));
	s.metric[M_TOKEN_LATENCY_MS] = NULL;
	assert_true(is_told(&s, AT));
}

/* More moments than there is room for: the rarest are kept, in order of time, and the others counted. */
static void the_rarest_are_kept(void **state)
{
	enum { SPIKES = 16, APART = 27, FIRST = 60, TOGETHER = 3 };
	static struct bucket own[SPIKES * TOGETHER][N];
	struct departure room[DEPARTURES_MAX];
	struct findings f = { .departure = room };
	struct series s = { .width_us = 1000000, .n = N };
	size_t late = 0;

	(void)state;
	for (int m = 0; m < SPIKES * TOGETHER; m++) {
		const int k = m % SPIKES; /* one each, of several at once; those of the second half are larger */

		for (int i = 0; i < N; i++) {
			const double spike = i == FIRST + k * APART ? k < SPIKES / 2 ? 30 : 1000 : 0,
				     value = 50 + normal() + spike;

			own[m][i] = (struct bucket){ 20, value, value, value };
		}
		s.metric[m] = own[m];
	}
	assert_int_equal(moments_of(&f, &s), DEPARTURES_MAX);
	print_message("%d moments are kept, %d more are counted\n", DEPARTURES_MAX, (int)f.departures_left_out);
	assert_true(f.departures_left_out >= 1 && f.departures_left_out <= SPIKES);
	for (size_t i = 0; i < f.n_departures; i++) {
		assert_true(!i || room[i].from_us > room[i - 1].from_us);
		late += room[i].from_us >= INT64_C(1000000) * (FIRST + SPIKES / 2 * APART);
	}
	assert_true(late >= SPIKES / 2 - 1);
}

/* Minutes of instances that differ, of which one becomes slower, and one's memory jumps. */
static size_t fleet(struct unusual_minutes *u, int instances, int minutes, bool ill)
{
	static struct instance_minutes *past[200];
	static char name[200][16];
	static double state[200][MINUTE_METRICS];
	struct minute_sums sums;

	memset(past, 0, sizeof past);
	for (int minute = 0; minute < minutes; minute++)
		for (int i = 0; i < instances; i++) {
			snprintf(name[i], sizeof name[i], "host%d", i);
			for (int m = 0; m < MINUTE_METRICS; m++) {
				const double bad =
					ill && minute >= 300 && ((i == 7 && m == 0) || (i == 9 && m == 1)) ? 1.6 : 1;

				sums.sum[m] = 100 * bad * (20 + i % 5) * exp(0.03 * related(&state[i][m]));
				sums.count[m] = 100;
			}
			assert_true(unusual_minutes_add(u, &past[i], name[i], minute * INT64_C(60000000) + 5, &sums));
		}
	for (int i = 0; i < instances; i++)
		free(past[i]);
	return u->n;
}

static void fleets_minutes_are_told(void **state)
{
	size_t calm_fleets = 0;

	(void)state;
	for (int k = 0; k < 20; k++) {
		struct unusual_minutes u = { .n = 0 };
		struct findings f = { .n_departures = 0 };

		fleet(&u, 100, 300, false);
		assert_true(unusual_minutes_tell(&u, &f));
		calm_fleets += !f.n_departures;
		unusual_minutes_close(&u);
		findings_free(&f);
	}
	print_message("%zu of 20 fleets in which nothing happens show nothing\n", calm_fleets);
	assert_true(calm_fleets >= 18);
	for (int k = 0; k < 3; k++) {
		struct unusual_minutes u = { .n = 0 };
		struct findings f = { .n_departures = 0 };
		unsigned seen = 0;

		fleet(&u, 100, 330, true);
		assert_true(unusual_minutes_tell(&u, &f));
		assert_true(f.n_departures <= 4);
		for (size_t i = 0; i < f.n_departures; i++) {
			const struct departure *d = &f.departure[i];

			print_message("%s minute %d: %s %.2f, before %.2f, 10^%.1f\n", d->instance,
				      (int)(d->from_us / 60000000), metric_specs[d->of[0].metric].id, d->of[0].value,
				      d->of[0].usual, d->of[0].rarity);
			seen |= !strcmp(d->instance, "host7") && d->of[0].metric == M_TOKEN_LATENCY_MS ? 1 : 0;
			seen |= !strcmp(d->instance, "host9") && d->of[0].metric == M_PROCESS_MEMORY_MB ? 2 : 0;
		}
		assert_int_equal(seen, 3);
		unusual_minutes_close(&u);
		findings_free(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stays_beyond_is_told),     cmocka_unit_test(one_slow_call_is_no_moment),
		cmocka_unit_test(throughput_is_left_to_latency), cmocka_unit_test(fleets_minutes_are_told),
		cmocka_unit_test(the_rarest_are_kept),           cmocka_unit_test(what_stays_beyond_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
