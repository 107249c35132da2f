/* Two sides against each other: shifts are found, equals are left alone, phases never mix. */
#include "random.h"
#include "test.h"

#include "analyze/compare.h"

#include <math.h>

static struct compare_side *begin(uint64_t warmup)
{
	struct compare_side *s;

	assert_int_equal(compare_side_open(&s, warmup, NULL), 0);
	return s;
}

static void push(struct compare_side *s, unsigned session, enum phase phase, double ms)
{
	struct field_values fields = { 0 };
	struct record rec = { .event = EVENT_INFERENCE_STEP, .phase = phase, .token_count = 1, .session = &fields };
	char id[40];

	snprintf(id, sizeof id, "rwkv-sess-%06x", session);
	fields_set_text(&fields, F_SESSION_ID, slice_of(id));
	ms = rint(ms * 1000) / 1000;
	record_set(&rec, M_TOKEN_LATENCY_MS, ms);
	record_set(&rec, M_THROUGHPUT_TPS, rint(1e5 / ms) / 100);
	compare_side_add(s, &rec, fields_text(rec.session, F_SESSION_ID));
}

static void push_cpu(struct compare_side *s, double pct)
{
	struct field_values fields = { 0 };
	struct record rec = {
		.event = EVENT_INFERENCE_STEP, .phase = PHASE_DECODE, .token_count = 1, .session = &fields
	};

	fields_set_text(&fields, F_SESSION_ID, slice_of("rwkv-sess-1"));
	record_set(&rec, M_CPU_UTILIZATION_PCT, pct);
	compare_side_add(s, &rec, fields_text(rec.session, F_SESSION_ID));
}

/* n decode steps around `ms` with 10 % noise, each related to the one before by `related`. */
static void push_run(struct compare_side *s, unsigned session, size_t n, double ms, double related)
{
	double noise = normal();

	for (size_t i = 0; i < n; i++) {
		noise = related * noise + sqrt(1 - related * related) * normal();
		push(s, session, PHASE_DECODE, ms * fmax(0.1, 1 + 0.1 * noise));
	}
}

static struct comparison finish(struct compare_side *a, struct compare_side *b)
{
	struct comparison c;

	assert_int_equal(compare_sides(a, b, &c, NULL), 0);
	compare_side_close(a);
	compare_side_close(b);
	return c;
}

static void a_shift_is_found_and_its_size(void **state)
{
	(void)state;
	seed = 11;
	for (int faster = 0; faster < 2; faster++) {
		struct compare_side *a = begin(0), *b = begin(0);
		struct comparison c;
		const struct estimate *e;

		for (unsigned run = 0; run < 3; run++) {
			push_run(a, run, 500, 30, 0.5);
			push_run(b, run, 500, faster ? 27 : 33, 0.5);
		}
		c = finish(a, b);
		assert_int_equal(c.verdict, faster ? DIFFERENCE_BETTER : DIFFERENCE_WORSE);
		assert_true(c.by_run && c.side[0].runs == 3);
		e = &c.deciding->of[COMPARED_MEDIAN];
		assert_int_equal(c.deciding->metric, M_TOKEN_LATENCY_MS);
		assert_int_equal(c.deciding->reason, REASON_NONE);
		assert_true(e->relative_low <= (faster ? -0.1 : 0.1) && (faster ? -0.1 : 0.1) <= e->relative_high);
		assert_true(e->relative_high - e->relative_low < 0.08);
		assert_int_equal(c.deciding->p95, c.deciding->median);
		assert_true(faster ? c.deciding->cliffs_delta < -0.4 : c.deciding->cliffs_delta > 0.4);
		comparison_free(&c);
	}
}

/* However clear: nothing is known of other runs. Nor with two runs a side, or with streams of one process. */
static void one_run_a_side_blames_nothing(void **state)
{
	(void)state;
	seed = 21;
	for (unsigned sessions = 1; sessions <= 4; sessions++) {
		struct compare_side *a = begin(0), *b = begin(0);
		struct comparison c;

		for (int i = 0; i < 2000; i++) {
			unsigned of = sessions > 2 ? (unsigned)i % sessions : (unsigned)i / 1000 % sessions;

			push(a, of, PHASE_DECODE, 30 * (1 + 0.05 * normal()));
			push(b, of, PHASE_DECODE, 40 * (1 + 0.05 * normal()));
		}
		c = finish(a, b);
		assert_int_equal(c.side[0].runs, sessions > 2 ? 1 : sessions);
		assert_false(c.by_run);
		assert_int_equal(c.verdict, DIFFERENCE_IN_RUNS);
		assert_int_equal(c.deciding->reason, REASON_FEW_RUNS);
		assert_true(c.deciding->of[COMPARED_MEDIAN].low > 0);
		comparison_free(&c);
	}
}

static void the_same_log_twice_is_no_difference(void **state)
{
	struct compare_side *a = begin(20), *b = begin(20);
	struct comparison c;

	(void)state;
	seed = 12;
	push_run(a, 1, 3000, 30, 0.8);
	seed = 12;
	push_run(b, 1, 3000, 30, 0.8);
	c = finish(a, b);
	assert_int_equal(c.verdict, DIFFERENCE_NONE);
	assert_true(c.deciding->of[COMPARED_MEDIAN].difference == 0 && c.deciding->of[COMPARED_P95].difference == 0);
	assert_true(c.deciding->cliffs_delta == 0);
	assert_int_equal(c.side[0].left_out, 20);
	assert_int_equal(c.side[0].records, 2980);
	comparison_free(&c);
}

/* How often of `rounds` equals are told apart, and how often the interval misses 0. */
static void equals_apart(int rounds, double related, unsigned runs, double run_noise, int *apart, int *missed)
{
	*apart = *missed = 0;
	for (int r = 0; r < rounds; r++) {
		struct compare_side *a = begin(0), *b = begin(0);
		struct comparison c;
		const struct estimate *e;

		for (unsigned run = 0; run < runs; run++) {
			push_run(a, run, 800 / runs, 30 * (1 + run_noise * normal()), related);
			push_run(b, run, 800 / runs, 30 * (1 + run_noise * normal()), related);
		}
		c = finish(a, b);
		e = &c.deciding->of[COMPARED_MEDIAN];
		*apart += c.verdict != DIFFERENCE_NONE && c.verdict != DIFFERENCE_UNKNOWN;
		*missed += e->low > 0 || e->high < 0;
		comparison_free(&c);
	}
}

static void equals_are_seldom_told_apart(void **state)
{
	enum { ROUNDS = 100 };
	static const struct {
		double related, run_noise;
		unsigned runs;
	} kinds[] = { { 0, 0, 1 }, { 0.5, 0, 1 }, { 0.8, 0, 1 }, { 0.5, 0, 3 }, { 0.5, 0.05, 8 } };

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		int apart, missed;

		seed = 100 + i;
		equals_apart(ROUNDS, kinds[i].related, kinds[i].runs, kinds[i].run_noise, &apart, &missed);
		if (missed > ROUNDS * 10 / 100 || apart > ROUNDS * 10 / 100)
			fail_msg("related %.1f, %u runs of %.2f: %d of %d intervals miss 0, %d told apart",
				 kinds[i].related, kinds[i].runs, kinds[i].run_noise, missed, ROUNDS, apart);
	}
}

/* Runs of `steps` steps whose noise remembers, with 2 % between runs: how often they are told apart, how often as what
 * they are. */
static void runs_apart(int rounds, size_t steps, double related, double shift, int *wrong, int *found)
{
	*wrong = *found = 0;
	for (int r = 0; r < rounds; r++) {
		struct compare_side *a = begin(0), *b = begin(0);
		struct comparison c;

		for (unsigned run = 0; run < 3; run++) {
			push_run(a, run, steps, 30 * (1 + 0.02 * normal()), related);
			push_run(b, run, steps, 30 * (1 + shift) * (1 + 0.02 * normal()), related);
		}
		c = finish(a, b);
		*wrong += c.verdict == DIFFERENCE_BETTER || (shift <= 0 && c.verdict == DIFFERENCE_WORSE);
		*found += c.verdict == DIFFERENCE_WORSE;
		comparison_free(&c);
	}
}

static void runs_differ_by_themselves(void **state)
{
	enum { ROUNDS = 40 };
	int wrong, found, none;

	(void)state;
	seed = 22;
	runs_apart(ROUNDS, 10000, 0.99, 0, &wrong, &none);
	runs_apart(ROUNDS, 10000, 0.99, 0.1, &none, &found);
	if (wrong > ROUNDS * 10 / 100 || found < ROUNDS * 80 / 100) /* of 5 and 92 %, with what 40 leave open */
		fail_msg("of %d equals %d are told apart; of %d that differ by 10 %% %d", ROUNDS, wrong, ROUNDS, found);
}

/* The longest run is one run: neither the estimate nor its interval is that of most steps. */
static void each_run_counts_once(void **state)
{
	struct compare_side *a = begin(0), *b = begin(0);
	struct comparison c;
	const struct estimate *e;

	(void)state;
	seed = 25;
	for (unsigned run = 0; run < 3; run++) {
		push_run(a, run, run ? 300 : 6000, run ? 30 : 36, 0);
		push_run(b, run, run ? 300 : 6000, run ? 36 : 30, 0);
	}
	c = finish(a, b);
	e = &c.deciding->of[COMPARED_MEDIAN];
	assert_true(fabs(e->a - cbrt(36. * 30 * 30)) < 0.3 && fabs(e->b - cbrt(36. * 36 * 30)) < 0.3);
	assert_true(e->low < 0 && e->high > 0 && e->chance > 0.3 && e->chance < 1);
	assert_int_equal(c.verdict, DIFFERENCE_UNKNOWN);
	comparison_free(&c);
}

/* Each metric has a level of its own in each run. */
static void push_many(struct compare_side *s, unsigned session)
{
	static const enum metric_id metrics[] = { M_TOKEN_LATENCY_MS,  M_LOGITS_ENTROPY, M_SURPRISAL_NATS,
						  M_PROCESS_MEMORY_MB, M_STATE_CHANGE,   M_TOKEN_REPETITION_PCT };
	enum { METRICS = sizeof metrics / sizeof *metrics };
	double level[METRICS];

	for (size_t m = 0; m < METRICS; m++)
		level[m] = 30 * exp(0.05 * normal());
	for (int i = 0; i < 40; i++) {
		struct field_values fields = { 0 };
		struct record rec = {
			.event = EVENT_INFERENCE_STEP, .phase = PHASE_DECODE, .token_count = 1, .session = &fields
		};
		char id[40];

		snprintf(id, sizeof id, "rwkv-sess-%06x", session);
		fields_set_text(&fields, F_SESSION_ID, slice_of(id));
		for (size_t m = 0; m < METRICS; m++)
			record_set(&rec, metrics[m], level[m] * (1 + 0.01 * normal()));
		compare_side_add(s, &rec, fields_text(rec.session, F_SESSION_ID));
	}
}

/* Of so many equal metrics one differs by its own interval in every third comparison, and none is told in nearly all.
 */
static void many_metrics_are_one_comparison(void **state)
{
	enum { ROUNDS = 30 };
	int told = 0, many = 0;

	(void)state;
	seed = 26;
	for (int r = 0; r < ROUNDS; r++) {
		struct compare_side *a = begin(0), *b = begin(0);
		struct comparison c;
		bool any = false;

		for (unsigned run = 0; run < 3; run++) {
			push_many(a, run);
			push_many(b, run);
		}
		c = finish(a, b);
		for (size_t i = 0; i < c.n; i++) {
			any |= c.row[i].median != DIFFERENCE_NONE && c.row[i].median != DIFFERENCE_UNKNOWN;
			any |= c.row[i].p95 != DIFFERENCE_NONE && c.row[i].p95 != DIFFERENCE_UNKNOWN;
			many += c.row[i].reason == REASON_MANY;
		}
		told += any;
		comparison_free(&c);
	}
	if (told > ROUNDS / 6 || !many)
		fail_msg("of %d comparisons %d tell a difference; %d were held back", ROUNDS, told, many);
}

/* A run that remembers as long as it lasts says little, and that is said. */
static void short_runs_cannot_tell(void **state)
{
	enum { ROUNDS = 40 };
	int apart = 0, unclear = 0;

	(void)state;
	seed = 23;
	for (int r = 0; r < ROUNDS; r++) {
		struct compare_side *a = begin(0), *b = begin(0);
		struct comparison c;

		push_run(a, 1, 10000, 30, 0.999);
		push_run(b, 2, 10000, 30, 0.999);
		c = finish(a, b);
		apart += c.verdict == DIFFERENCE_IN_RUNS;
		unclear += c.verdict == DIFFERENCE_UNKNOWN &&
			   (c.deciding->reason == REASON_SHORT_RUNS || c.deciding->reason == REASON_WIDE);
		comparison_free(&c);
	}
	if (apart > ROUNDS * 15 / 100 || unclear < ROUNDS / 2)
		fail_msg("of %d pairs of short runs %d differ and %d are unclear", ROUNDS, apart, unclear);
}

/* One sample of 5 s that is written in 399 records is one sample. */
static void a_repeated_sample_counts_once(void **state)
{
	(void)state;
	for (int often = 0; often < 2; often++) {
		struct compare_side *a = begin(0), *b = begin(0);
		struct comparison c;
		const struct difference *row;

		seed = 24;
		for (int i = 0; i < 800; i++) {
			int sample = often ? i / 20 : 0;

			push_cpu(a, 30 + 0.3 * (sample * 7 % 5));
			push_cpu(b, 39 + 0.3 * (sample * 7 % 5));
		}
		c = finish(a, b);
		row = comparison_row(&c, M_CPU_UTILIZATION_PCT, PHASE_DECODE);
		assert_int_equal(row->median, often ? DIFFERENCE_IN_RUNS : DIFFERENCE_UNKNOWN);
		assert_int_equal(row->reason, often ? REASON_FEW_RUNS : REASON_FEW_SAMPLES);
		comparison_free(&c);
	}
}

/* B is slower in both phases, but has more of the fast one: all steps together would say faster. */
static void phases_are_never_mixed(void **state)
{
	struct compare_side *a = begin(0), *b = begin(0);
	struct comparison c;

	(void)state;
	seed = 13;
	for (int i = 0; i < 1000; i++) {
		push(a, 1, i % 10 ? PHASE_DECODE : PHASE_PREFILL, (i % 10 ? 30 : 3) * (1 + 0.05 * normal()));
		push(b, 2, i % 10 ? PHASE_PREFILL : PHASE_DECODE, (i % 10 ? 3.6 : 36) * (1 + 0.05 * normal()));
	}
	c = finish(a, b);
	assert_int_equal(c.deciding->phase, PHASE_DECODE);
	assert_int_equal(c.verdict, DIFFERENCE_IN_RUNS);
	assert_true(c.deciding->of[COMPARED_MEDIAN].low > 0);
	assert_true(comparison_row(&c, M_TOKEN_LATENCY_MS, PHASE_PREFILL)->of[COMPARED_MEDIAN].low > 0);
	assert_null(comparison_row(&c, M_STATE_SIMILARITY, PHASE_UNKNOWN));
	comparison_free(&c);
}

static void warm_up_is_left_out(void **state)
{
	(void)state;
	for (int out = 0; out < 2; out++) {
		struct compare_side *a = begin(out ? 500 : 0), *b = begin(out ? 500 : 0);
		struct comparison c;

		seed = 14;
		for (int i = 0; i < 1100; i++) /* only B begins slowly */
			push(a, 1, PHASE_DECODE, 30 * (1 + 0.01 * normal()));
		for (int i = 0; i < 1100; i++)
			push(b, 1, PHASE_DECODE, (i < 500 ? 60 : 30) * (1 + 0.01 * normal()));
		c = finish(a, b);
		if (out)
			assert_int_equal(c.verdict, DIFFERENCE_NONE);
		else
			assert_true(c.deciding->of[COMPARED_P95].difference > 20);
		comparison_free(&c);
	}
}

static void too_little_is_no_verdict(void **state)
{
	struct compare_side *a = begin(0), *b = begin(0);
	struct comparison c;

	(void)state;
	seed = 15;
	push_run(a, 1, 19, 30, 0);
	push_run(b, 1, 1000, 60, 0);
	c = finish(a, b);
	assert_int_equal(c.verdict, DIFFERENCE_UNKNOWN);
	assert_null(c.deciding);
	assert_int_equal(c.n, 2);
	comparison_free(&c);
	c = finish(begin(0), begin(0));
	assert_int_equal(c.n, 0);
	assert_null(c.deciding);
	comparison_free(&c);
}

/* Blocks are joined as logs grow; sessions when there are many. */
static void memory_is_bounded_and_nothing_is_lost(void **state)
{
	struct compare_side *a = begin(0), *b = begin(0);
	struct comparison c;

	(void)state;
	seed = 16;
	for (unsigned i = 0; i < 40000; i++)
		push(a, i % 3, PHASE_DECODE, 30 + 0.1 * normal());
	for (unsigned i = 0; i < 40000; i++)
		push(b, i % 700, PHASE_DECODE, 30 + 0.1 * normal());
	c = finish(a, b);
	assert_true(c.side[0].units >= COMPARE_BLOCKS / 2 - 3 && c.side[0].units <= COMPARE_BLOCKS);
	assert_true(c.side[1].units >= COMPARE_BLOCKS / 2 - 3 && c.side[1].units <= COMPARE_BLOCKS);
	assert_int_equal(c.side[1].sessions, 700);
	assert_int_equal(c.side[0].runs, 1);
	assert_int_equal(c.side[1].runs, 1);
	assert_int_equal(c.row[0].a.count, 40000);
	assert_int_equal(c.row[0].b.count, 40000);
	assert_int_equal(c.verdict, DIFFERENCE_NONE);
	comparison_free(&c);
}

/* Prompts take four times as long in B, or as long as in A: decoding, which does not differ, decides only then. */
static void prompts_that_are_slower_are_told(void **state)
{
	(void)state;
	seed = 17;
	for (int slower = 0; slower < 2; slower++) {
		struct compare_side *a = begin(0), *b = begin(0);
		struct comparison c;

		for (unsigned run = 0; run < 3; run++) {
			push_run(a, run, 500, 30, 0.2);
			push_run(b, run, 500, 30, 0.2);
			for (int i = 0; i < 40; i++) {
				push(a, run, PHASE_PREFILL, 3 * (1 + 0.05 * normal()));
				push(b, run, PHASE_PREFILL, (slower ? 12 : 3) * (1 + 0.05 * normal()));
			}
		}
		c = finish(a, b);
		assert_int_equal(c.deciding->phase, slower ? PHASE_PREFILL : PHASE_DECODE);
		assert_int_equal(c.verdict, slower ? DIFFERENCE_WORSE : DIFFERENCE_NONE);
		comparison_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompts_that_are_slower_are_told),
		cmocka_unit_test(a_shift_is_found_and_its_size),
		cmocka_unit_test(the_same_log_twice_is_no_difference),
		cmocka_unit_test(equals_are_seldom_told_apart),
		cmocka_unit_test(one_run_a_side_blames_nothing),
		cmocka_unit_test(runs_differ_by_themselves),
		cmocka_unit_test(each_run_counts_once),
		cmocka_unit_test(many_metrics_are_one_comparison),
		cmocka_unit_test(short_runs_cannot_tell),
		cmocka_unit_test(a_repeated_sample_counts_once),
		cmocka_unit_test(phases_are_never_mixed),
		cmocka_unit_test(warm_up_is_left_out),
		cmocka_unit_test(too_little_is_no_verdict),
		cmocka_unit_test(memory_is_bounded_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
