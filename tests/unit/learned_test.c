/* The default set: what it learns, what it finds by evidence, and where it keeps silent. */
#include "test.h"

#include "rules/learned.h"
#include "rules/rules.h"

#include <math.h>

/* --- a stream of records ------------------------------------------------------------------------- */

struct stream {
	struct rules *rules;
	struct field_values session;
	struct record rec; /* the next one: whoever feeds may change it */
	uint64_t fired[ALARM_TYPE_COUNT], resolved[ALARM_TYPE_COUNT], critical;
	uint64_t random;
	int64_t step_us;
};

static struct ruleset *set;

static int open_set(void **state)
{
	(void)state;
	return ruleset_open(&set, RULES_DEFAULT, NULL);
}

static int close_set(void **state)
{
	(void)state;
	ruleset_close(set);
	return 0;
}

static void begin(struct stream *s, struct learned *learned, const char *instance, double vocab)
{
	struct record start = { .event = EVENT_SESSION_START, .session = &s->session };
	struct rule_finding found[RULES_MAX];

	memset(s, 0, sizeof *s);
	fields_set_text(&s->session, F_INSTANCE, slice_of(instance));
	fields_set_text(&s->session, F_MODEL_NAME, slice_of("m"));
	fields_set_number(&s->session, F_VOCAB_SIZE, vocab);
	fields_set_number(&s->session, F_VRAM_TOTAL_MB, 81920);
	assert_int_equal(rules_open(&s->rules, set, RULES_LIVE, learned, NULL), 0);
	rules_eval(s->rules, &start, found);
	s->random = 1;
	s->step_us = 20000;
	s->rec = (struct record){ .event = EVENT_INFERENCE_STEP,
				  .session = &s->session,
				  .phase = PHASE_DECODE,
				  .token_count = 1,
				  .sequence_length = 1000 };
}

static void feed(struct stream *s)
{
	struct rule_finding found[RULES_MAX];
	size_t n = rules_eval(s->rules, &s->rec, found);

	for (size_t i = 0; i < n; i++) {
		if (!found[i].changed)
			continue;
		s->fired[found[i].type] += found[i].firing;
		s->resolved[found[i].type] += !found[i].firing;
		s->critical += found[i].firing && found[i].severity == SEVERITY_CRITICAL;
	}
	s->rec.time_us += s->step_us;
	s->rec.sequence_length++;
	s->rec.have = 0;
}

static uint64_t alarms(const struct stream *s)
{
	uint64_t n = 0;

	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		n += s->fired[t];
	return n;
}

static double uniform(struct stream *s)
{
	s->random = s->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return ((double)(s->random >> 11) + 0.5) / 9007199254740992.0;
}

static double gauss(struct stream *s)
{
	return sqrt(-2 * log(uniform(s))) * cos(6.283185307179586 * uniform(s));
}

static void feed_latency(struct stream *s, int n, double ms)
{
	for (int i = 0; i < n; i++) {
		double stall = uniform(s) < 0.02 ? 10 : 1;

		record_set(&s->rec, M_TOKEN_LATENCY_MS, ms * exp(0.04 * gauss(s)) * stall);
		feed(s);
	}
}

/* --- speed ----------------------------------------------------------------------------------------- */

static void a_slowdown_is_found_and_not_learned(void **state)
{
	struct stream s;

	(void)state;
	for (int level = 0; level < 3; level++) { /* whatever the machine's speed is */
		double ms = (double[]){ 0.3, 31, 900 }[level];

		begin(&s, NULL, "a:1", 65536);
		feed_latency(&s, 500, ms);
		assert_int_equal(alarms(&s), 0);
		feed_latency(&s, 40, 1.5 * ms);
		assert_int_equal(s.fired[ALARM_HIGH_LATENCY], 1);
		feed_latency(&s, 5000, 1.5 * ms); /* what is wrong does not become normal */
		assert_int_equal(s.resolved[ALARM_HIGH_LATENCY], 0);
		feed_latency(&s, 40, ms);
		assert_int_equal(s.resolved[ALARM_HIGH_LATENCY], 1);
		assert_int_equal(alarms(&s), 1);
		rules_close(s.rules);
	}
}

/* n records of a model whose tokens take 0.1 ms, so many times slower. */
static void feed_tiny(struct stream *s, enum phase phase, int n, double times)
{
	for (int i = 0; i < n; i++) {
		s->rec.phase = phase;
		s->step_us = (int64_t)(100 * times);
		record_set(&s->rec, M_TOKEN_LATENCY_MS, 0.1 * times * exp(0.04 * gauss(s)));
		record_set(&s->rec, M_THROUGHPUT_TPS, 10000 / times * exp(0.04 * gauss(s)));
		feed(s);
	}
}

/* What nobody can notice is no alarm, however many tokens it takes; what lasts is one, however short the tokens are. */
static void slowness_counts_when_it_can_be_noticed(void **state)
{
	static const struct {
		enum phase phase;
		enum alarm_type alarm[2];
	} of[] = { { PHASE_DECODE, { ALARM_HIGH_LATENCY, ALARM_LOW_THROUGHPUT } },
		   { PHASE_PREFILL, { ALARM_SLOW_CHUNK, ALARM_SLOW_CHUNK } } };
	struct stream s;

	(void)state;
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		begin(&s, NULL, "a:1", 65536);
		feed_tiny(&s, of[i].phase, 1000, 1);
		feed_tiny(&s, of[i].phase, 400, 4); /* 0.16 s */
		feed_tiny(&s, of[i].phase, 1000, 1);
		assert_int_equal(alarms(&s), 0);
		feed_tiny(&s, of[i].phase, 2000, 4); /* 0.8 s */
		for (size_t k = 0; k < 2; k++)
			assert_int_equal(s.fired[of[i].alarm[k]], 1);
		rules_close(s.rules);
	}
}

static void slow_from_the_start_is_no_fall(void **state)
{
	struct stream s;

	(void)state;
	begin(&s, NULL, "a:1", 65536);
	for (int i = 0; i < 3000; i++) {
		record_set(&s.rec, M_TOKEN_LATENCY_MS, 700);
		record_set(&s.rec, M_THROUGHPUT_TPS, 1.4);
		feed(&s);
	}
	assert_int_equal(alarms(&s), 0);
	rules_close(s.rules);
}

static void little_is_known_at_first_and_said(void **state)
{
	struct stream s;

	(void)state;
	begin(&s, NULL, "a:1", 65536);
	feed_latency(&s, 100, 10);
	feed_latency(&s, 40, 40); /* too early to tell */
	assert_int_equal(alarms(&s), 0);
	assert_int_equal(rules_learning(s.rules).judged, 0);
	assert_int_equal(rules_learning(s.rules).silent, 140);
	rules_close(s.rules);
}

/* Latency that wanders: neighbours 100 tokens apart are still alike. */
static void noise_with_memory_is_no_slowdown(void **state)
{
	uint64_t fired = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		double wander = 0;
		struct stream s;

		begin(&s, NULL, "a:1", 65536);
		s.random = seed * UINT64_C(0x9e3779b97f4a7c15);
		wander = gauss(&s);
		for (int i = 0; i < 5000; i++) {
			wander = 0.99 * wander + sqrt(1 - 0.99 * 0.99) * gauss(&s);
			record_set(&s.rec, M_TOKEN_LATENCY_MS, 12 * exp(0.1 * wander));
			feed(&s);
		}
		fired += alarms(&s);
		rules_close(s.rules);
	}
	assert_true(fired <= 5); /* 0.5 of 20,000 tokens, in 200,000 */
}

static void another_load_is_learned_apart(void **state)
{
	struct stream s;

	(void)state;
	begin(&s, NULL, "a:1", 65536);
	feed_latency(&s, 500, 10);
	for (int i = 0; i < 2000; i++) { /* eight streams in a call: slower, as it must be */
		s.rec.batch_size = i % 700 < 500 ? 8 : 1;
		record_set(&s.rec, M_TOKEN_LATENCY_MS, s.rec.batch_size == 8 ? 31 : 10);
		feed(&s);
	}
	assert_int_equal(alarms(&s), 0);
	for (int i = 0; i < 40; i++) {
		s.rec.batch_size = 8;
		record_set(&s.rec, M_TOKEN_LATENCY_MS, 50);
		feed(&s);
	}
	assert_int_equal(s.fired[ALARM_HIGH_LATENCY], 1);
	rules_close(s.rules);
}

static void sessions_of_an_instance_learn_together(void **state)
{
	struct learned *learned = learned_open(ruleset_learned_metrics(set));
	struct stream before, next, other;

	(void)state;
	assert_non_null(learned);
	begin(&before, learned, "a:1", 65536);
	feed_latency(&before, 500, 10);
	rules_close(before.rules);

	begin(&next, learned, "a:1", 65536);
	feed_latency(&next, 33, 30); /* while its neighbour is remembered, it would be another load */
	feed_latency(&next, 60, 30);
	assert_int_equal(next.fired[ALARM_HIGH_LATENCY], 1);
	rules_close(next.rules);

	begin(&other, learned, "b:1", 65536);
	feed_latency(&other, 500, 30); /* another machine is another matter */
	assert_int_equal(alarms(&other), 0);
	rules_close(other.rules);
	learned_close(learned);
}

/* A fleet's records come in turns: each instance still learns what is normal with it. */
static void many_instances_learn_side_by_side(void **state)
{
	enum { FLEET = 200 };
	struct learned *learned = learned_open(ruleset_learned_metrics(set));
	struct stream *fleet = calloc(FLEET, sizeof *fleet);
	char name[FLEET][8];

	(void)state;
	assert_true(learned && fleet);
	for (unsigned i = 0; i < FLEET; i++) {
		snprintf(name[i], sizeof name[i], "h%u:1", i);
		begin(&fleet[i], learned, name[i], 65536);
	}
	for (int turn = 0; turn < 600; turn++)
		for (int i = 0; i < FLEET; i++)
			feed_latency(&fleet[i], 1, turn < 500 || i % 2 ? 10 : 30);
	for (int i = 0; i < FLEET; i++) {
		assert_int_equal(fleet[i].fired[ALARM_HIGH_LATENCY], 1 - i % 2);
		rules_close(fleet[i].rules);
	}
	free(fleet);
	learned_close(learned);
}

static void a_goal_is_a_limit(void **state)
{
	struct record start = { .event = EVENT_SESSION_START };
	struct rule_finding found[RULES_MAX];
	struct stream s;

	(void)state;
	begin(&s, NULL, "a:1", 65536);
	fields_set_text(&s.session, F_GOAL, slice_of("50ms"));
	start.session = &s.session;
	rules_eval(s.rules, &start, found);
	for (int i = 0; i < 300; i++) {
		record_set(&s.rec, M_THROUGHPUT_TPS, i < 150 ? 24 : 17);
		feed(&s);
		assert_int_equal(s.fired[ALARM_LOW_THROUGHPUT], i >= 200);
	}
	rules_close(s.rules);
}

/* --- evidence ----------------------------------------------------------------------------------------- */

static void memory_is_a_share_of_the_card(void **state)
{
	struct stream s;

	(void)state;
	begin(&s, NULL, "a:1", 65536);
	for (int i = 0; i < 400; i++) {
		record_set(&s.rec, M_VRAM_USED_MB, i < 200 ? 8400 : i < 300 ? 70000 : 79000);
		feed(&s);
		assert_int_equal(s.fired[ALARM_HIGH_VRAM_USAGE], i >= 315);
	}
	assert_int_equal(s.critical, 1);
	rules_close(s.rules);
}

/* Entropy as texts have it (often nearly none, sometimes much), and as a collapsed model has. */
/* Feeds 2,000 entropies and wants a collapse, or none. */
static void entropies_are(bool collapsed, double (*draw)(struct stream *s, double size), double size)
{
	struct stream s;

	begin(&s, NULL, "a:1", 65536);
	for (int k = 0; k < 2000; k++) {
		record_set(&s.rec, M_LOGITS_ENTROPY, fmax(draw(&s, size), 0));
		feed(&s);
	}
	if ((s.fired[ALARM_MODE_COLLAPSE] > 0) != collapsed)
		print_message("entropy of size %g: %s\n", size, collapsed ? "no collapse" : "a collapse");
	assert_int_equal(s.fired[ALARM_MODE_COLLAPSE] > 0, collapsed);
	assert_int_equal(s.critical, 0);
	rules_close(s.rules);
}

static double of_text(struct stream *s, double mean)
{
	return -mean * log(uniform(s));
}

static double of_code(struct stream *s, double median)
{
	return median * exp(0.95 * gauss(s));
}

/* Most tokens are certain, few are open: a copy of the prompt, or reasoning step by step. */
static double of_copy(struct stream *s, double open)
{
	return uniform(s) < 0.75 ? 0.004 * exp(gauss(s)) : -open * log(uniform(s));
}

static double dull(struct stream *s, double mean)
{
	return mean * (1 + 0.34 * gauss(s));
}

/* Reasoning: certain of most, and not equally. */
static double certain(struct stream *s, double median)
{
	return median * exp(0.9 * gauss(s));
}

static void a_model_that_is_sure_of_everything_collapsed(void **state)
{
	(void)state;
	for (double mean = 0.9; mean < 3; mean *= 1.3)
		entropies_are(false, of_text, mean);
	for (double median = 0.25; median < 0.7; median *= 1.3)
		entropies_are(false, of_code, median);
	for (double open = 0.2; open < 2; open *= 1.5)
		entropies_are(false, of_copy, open);
	for (double mean = 0.1; mean < 0.76; mean *= 1.07)
		entropies_are(true, dull, mean);
	for (double median = 0.025; median < 0.3; median *= 1.5)
		entropies_are(false, certain, median);
}

static void a_model_that_guesses_is_critical(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		double vocab = i ? 65536 : 256;
		struct stream s;

		begin(&s, NULL, "a:1", vocab);
		for (int k = 0; k < 300; k++) {
			record_set(&s.rec, M_LOGITS_ENTROPY, 0.93 * log(vocab));
			feed(&s);
		}
		assert_int_equal(s.fired[ALARM_ABNORMAL_ENTROPY], 2); /* the warning comes too, after 200 */
		assert_int_equal(s.critical, 1);
		rules_close(s.rules);
	}
}

static void text_repeats_itself_as_texts_do(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		double vocab = i ? 65536 : 256;
		struct stream s;

		begin(&s, NULL, "a:1", vocab);
		for (int k = 0; k < 2000; k++) { /* prose, code, tables */
			record_set(&s.rec, M_TOKEN_REPETITION_PCT, i ? 25 + k / 40 : 70 + k / 100);
			feed(&s);
		}
		assert_int_equal(alarms(&s), 0);
		rules_close(s.rules);
	}
}

/* --- live and replayed ---------------------------------------------------------------------------------- */

/* What is judged live has all its digits, what is read from a log has those that are kept. */
static void rules_see_what_the_log_keeps(void **state)
{
	struct stream live, later;
	double wander = 0;
	char kept[64];

	(void)state;
	begin(&live, NULL, "a:1", 65536);
	begin(&later, NULL, "a:1", 65536);
	for (int i = 0; i < 6000; i++) {
		double ms;

		wander = 0.9 * wander + 0.2 * gauss(&live);
		ms = (i / 900 % 2 ? 1.26 : 1) * exp(0.02 * wander);
		record_set(&live.rec, M_TOKEN_LATENCY_MS, ms);
		live.rec.time_us += 777;
		snprintf(kept, sizeof kept, "%.3f", ms);
		record_set(&later.rec, M_TOKEN_LATENCY_MS, strtod(kept, NULL));
		later.rec.time_us = live.rec.time_us / 1000 * 1000;
		record_as_logged(&live.rec);
		feed(&live);
		feed(&later);
		assert_memory_equal(live.fired, later.fired, sizeof live.fired);
		assert_memory_equal(live.resolved, later.resolved, sizeof live.resolved);
	}
	assert_true(live.fired[ALARM_HIGH_LATENCY] > 0);
	rules_close(live.rules);
	rules_close(later.rules);
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median_of(double v[LEVEL_BLOCK])
{
	qsort(v, LEVEL_BLOCK, sizeof *v, by_size);
	return (v[LEVEL_BLOCK / 2 - 1] + v[LEVEL_BLOCK / 2]) / 2;
}

/* Values of every coarseness: some blocks hold many equal ones. */
static void a_block_counts_by_its_medians(void **state)
{
	struct stream s = { .random = 1 };

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct level level = { .normal = NAN };
		double v[LEVEL_BLOCK], steps = 2 + round % 1000, middle;

		for (size_t i = 0; i < LEVEL_BLOCK; i++) {
			v[i] = 1 + floor(steps * uniform(&s));
			level_learn(&level, v[i]);
		}
		middle = median_of(v);
		for (size_t i = 0; i < LEVEL_BLOCK; i++)
			v[i] = fabs(v[i] - middle);
		level_learn(&level, 1); /* of the next block */
		assert_int_equal(level.n_waiting, 1);
		assert_true(level.waiting[0] == (float)middle);
		assert_true(level.waiting_noise[0] == (float)median_of(v));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_counts_by_its_medians),
		cmocka_unit_test(a_slowdown_is_found_and_not_learned),
		cmocka_unit_test(slowness_counts_when_it_can_be_noticed),
		cmocka_unit_test(slow_from_the_start_is_no_fall),
		cmocka_unit_test(little_is_known_at_first_and_said),
		cmocka_unit_test(noise_with_memory_is_no_slowdown),
		cmocka_unit_test(another_load_is_learned_apart),
		cmocka_unit_test(sessions_of_an_instance_learn_together),
		cmocka_unit_test(many_instances_learn_side_by_side),
		cmocka_unit_test(a_goal_is_a_limit),
		cmocka_unit_test(memory_is_a_share_of_the_card),
		cmocka_unit_test(a_model_that_is_sure_of_everything_collapsed),
		cmocka_unit_test(a_model_that_guesses_is_critical),
		cmocka_unit_test(text_repeats_itself_as_texts_do),
		cmocka_unit_test(rules_see_what_the_log_keeps),
	};

	return cmocka_run_group_tests(tests, open_set, close_set);
}
