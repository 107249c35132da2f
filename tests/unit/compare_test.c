/* Two sides against each other: shifts are found, equals are left alone, phases never mix. */
#include "test.h"

#include "analyze/compare.h"

#include <math.h>

static uint64_t seed;

static double unit(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)((seed >> 11) + 1) / 9007199254740993.0;
}

static double normal(void)
{
	return sqrt(-2 * log(unit())) * cos(6.283185307179586 * unit());
}

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

		push_run(a, 1, 1500, 30, 0.5);
		push_run(b, 2, 1500, faster ? 27 : 33, 0.5);
		c = finish(a, b);
		assert_int_equal(c.verdict, faster ? DIFFERENCE_BETTER : DIFFERENCE_WORSE);
		e = &c.deciding->of[COMPARED_MEDIAN];
		assert_int_equal(c.deciding->metric, M_TOKEN_LATENCY_MS);
		assert_true(e->relative_low <= (faster ? -0.1 : 0.1) && (faster ? -0.1 : 0.1) <= e->relative_high);
		assert_true(e->relative_high - e->relative_low < 0.04);
		assert_int_equal(c.deciding->p95, c.deciding->median);
		assert_true(faster ? c.deciding->cliffs_delta < -0.4 : c.deciding->cliffs_delta > 0.4);
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
		*apart += c.verdict != DIFFERENCE_NONE;
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
	assert_int_equal(c.verdict, DIFFERENCE_WORSE);
	assert_int_equal(comparison_row(&c, M_TOKEN_LATENCY_MS, PHASE_PREFILL)->median, DIFFERENCE_WORSE);
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
		for (int i = 0; i < 600; i++) /* only B begins slowly */
			push(a, 1, PHASE_DECODE, 30 * (1 + 0.01 * normal()));
		for (int i = 0; i < 600; i++)
			push(b, 1, PHASE_DECODE, (i < 500 ? 60 : 30) * (1 + 0.01 * normal()));
		c = finish(a, b);
		assert_int_equal(c.verdict, out ? DIFFERENCE_NONE : DIFFERENCE_WORSE);
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
	assert_int_equal(c.row[0].a.count, 40000);
	assert_int_equal(c.row[0].b.count, 40000);
	assert_int_equal(c.verdict, DIFFERENCE_NONE);
	comparison_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shift_is_found_and_its_size),
		cmocka_unit_test(the_same_log_twice_is_no_difference),
		cmocka_unit_test(equals_are_seldom_told_apart),
		cmocka_unit_test(phases_are_never_mixed),
		cmocka_unit_test(warm_up_is_left_out),
		cmocka_unit_test(too_little_is_no_verdict),
		cmocka_unit_test(memory_is_bounded_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
