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

			rows[m][i] = (struct bucket){ .count = 20, .mean = 50 + e };
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
		cmocka_unit_test(what_stays_beyond_is_told),
		cmocka_unit_test(fleets_minutes_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
