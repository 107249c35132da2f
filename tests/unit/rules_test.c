/* Rules: what violates, what fires, when it resolves, and how bad files are refused. */
#include "test.h"

#include "rules/rules.h"

#include <math.h>
#include <unistd.h>

static struct ruleset *set_of(const char *text)
{
	char path[] = "/tmp/rwkvmon-rules-XXXXXX";
	int fd = mkstemp(path);
	struct ruleset *set;
	struct err err;

	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	if (ruleset_open(&set, path, &err))
		fail_msg("%s", err.text);
	unlink(path);
	return set;
}

static struct rules *rules_of(const struct ruleset *set, enum rules_mode mode)
{
	struct rules *r;

	assert_int_equal(rules_open(&r, set, mode, NULL), 0);
	return r;
}

static const struct field_values nothing;

/* Feeds one value at a time of seconds; returns the finding's flags: v(iolated) f(iring) c(hanged). */
static const char *feed(struct rules *r, double seconds, enum metric_id m, double value)
{
	static char flags[4];
	struct record rec = { .time_us = (int64_t)(seconds * 1e6), .event = EVENT_INFERENCE_STEP, .session = &nothing,
			      .sequence_length = 1000 };
	struct rule_finding f[RULES_MAX];
	size_t n = 0, at = 0;

	if (!isnan(value))
		record_set(&rec, m, value);
	n = rules_eval(r, &rec, f);
	assert_true(n <= 1);
	if (n && f[0].violated)
		flags[at++] = 'v';
	if (n && f[0].firing)
		flags[at++] = 'f';
	if (n && f[0].changed)
		flags[at++] = 'c';
	flags[at] = 0;
	return flags;
}

static void an_alarm_fires_once_holds_and_resolves(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: high_latency, metric: token_latency_ms, above: 100, clear: 0.2, cooldown: 10s, warmup: 0}]");
	struct rules *r = rules_of(set, RULES_LIVE);

	(void)state;
	assert_string_equal(feed(r, 0, M_TOKEN_LATENCY_MS, 100), "");
	assert_string_equal(feed(r, 1, M_TOKEN_LATENCY_MS, 101), "vfc");
	assert_string_equal(feed(r, 2, M_TOKEN_LATENCY_MS, 300), "vf");
	assert_string_equal(feed(r, 3, M_TOKEN_LATENCY_MS, 90), "");	/* inside, but not by 20 % yet: still on */
	assert_string_equal(feed(r, 4, M_TOKEN_LATENCY_MS, 120), "vf"); /* so this is no second alarm */
	assert_string_equal(feed(r, 5, M_TOKEN_LATENCY_MS, 80), "c");	/* resolved */
	assert_string_equal(feed(r, 6, M_TOKEN_LATENCY_MS, 500), "v");	/* within the cooldown: silent */
	assert_string_equal(feed(r, 10.9, M_TOKEN_LATENCY_MS, 500), "v");
	assert_string_equal(feed(r, 11, M_TOKEN_LATENCY_MS, 500), "vfc");
	rules_close(r);
	ruleset_close(set);
}

static void for_wants_the_violation_to_last(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: high_gpu_utilization, metric: gpu_utilization_pct, above: 90, for: 30s, warmup: 0}]");
	struct rules *r = rules_of(set, RULES_LIVE);

	(void)state;
	assert_string_equal(feed(r, 0, M_GPU_UTILIZATION_PCT, 95), "v");
	assert_string_equal(feed(r, 29, M_GPU_UTILIZATION_PCT, 95), "v");
	assert_string_equal(feed(r, 29.5, M_GPU_UTILIZATION_PCT, 50), "");
	assert_string_equal(feed(r, 31, M_GPU_UTILIZATION_PCT, 95), "v");
	assert_string_equal(feed(r, 61, M_GPU_UTILIZATION_PCT, 95), "vfc");
	rules_close(r);
	ruleset_close(set);
}

static void warm_up_and_missing_data_never_fire(void **state)
{
	struct ruleset *set;
	struct rules *r;

	(void)state;
	assert_int_equal(ruleset_open(&set, "thresholds", NULL), 0);
	r = rules_of(set, RULES_LIVE);
	for (int i = 0; i < 20; i++)
		assert_string_equal(feed(r, i, M_TOKEN_LATENCY_MS, 1000), "");
	assert_string_equal(feed(r, 20, M_TOKEN_LATENCY_MS, 1000), "vfc");
	for (int i = 21; i < 60; i++)
		assert_string_equal(feed(r, i, M_TOKEN_LATENCY_MS, NAN), "");
	rules_close(r);
	ruleset_close(set);
}

static void nonfinite_values_fire_at_once_and_resolve_when_gone(void **state)
{
	struct ruleset *set;
	struct rules *r;

	(void)state;
	assert_int_equal(ruleset_open(&set, "thresholds", NULL), 0);
	r = rules_of(set, RULES_LIVE);
	assert_string_equal(feed(r, 0, M_NONFINITE_LOGITS, 3), "vfc");
	assert_string_equal(feed(r, 1, M_NONFINITE_LOGITS, 3), "vf");
	assert_string_equal(feed(r, 2, M_NONFINITE_LOGITS, NAN), "c");
	rules_close(r);
	ruleset_close(set);
}

static void replayed_baseline_judges_every_record(void **state)
{
	struct ruleset *set;
	struct rules *r;

	(void)state;
	assert_int_equal(ruleset_open(&set, "baseline", NULL), 0);
	r = rules_of(set, RULES_REPLAY);
	assert_string_equal(feed(r, 0, M_TOKEN_LATENCY_MS, 75), "");
	assert_string_equal(feed(r, 1, M_TOKEN_LATENCY_MS, 75.001), "vfc");
	assert_string_equal(feed(r, 2, M_THROUGHPUT_TPS, 49.99), "vfc");
	assert_string_equal(feed(r, 3, M_LOGITS_ENTROPY, 0.99), "vfc");
	assert_string_equal(feed(r, 4, M_LOGITS_ENTROPY, 8.01), "vf");
	assert_string_equal(feed(r, 5, M_VRAM_USED_MB, 8000), "");
	assert_string_equal(feed(r, 6, M_TOKEN_REPETITION_PCT, 15.5), "vfc");
	rules_close(r);
	ruleset_close(set);
}

static void a_small_vocabulary_brings_the_byte_overlay(void **state)
{
	struct field_values session = { 0 };
	struct record start = { .event = EVENT_SESSION_START, .session = &session };
	struct rule_finding f[RULES_MAX];
	struct ruleset *set;
	struct rules *r;

	(void)state;
	assert_int_equal(ruleset_open(&set, "baseline", NULL), 0);
	r = rules_of(set, RULES_REPLAY);
	fields_set_number(&session, F_VOCAB_SIZE, 256);
	rules_eval(r, &start, f);
	assert_string_equal(feed(r, 1, M_TOKEN_REPETITION_PCT, 80), "");
	assert_string_equal(feed(r, 2, M_TOKEN_REPETITION_PCT, 88), "vfc");
	for (int i = 0; i < 99; i++)
		assert_string_equal(feed(r, 3, M_LOGITS_ENTROPY, 0.1), "");
	assert_string_equal(feed(r, 4, M_LOGITS_ENTROPY, 0.1), "vfc"); /* the mean of 100 */
	assert_string_equal(feed(r, 5, M_STATE_SIMILARITY, 0.1), "");  /* baseline judges no similarity */
	rules_close(r);
	ruleset_close(set);
}

static void relative_limits_follow_what_they_name(void **state)
{
	struct field_values session = { 0 };
	struct record start = { .event = EVENT_SESSION_START, .session = &session };
	struct rule_finding f[RULES_MAX];
	struct ruleset *set;
	struct rules *r;

	(void)state;
	assert_int_equal(ruleset_open(&set, "thresholds", NULL), 0);
	r = rules_of(set, RULES_LIVE);
	for (int i = 0; i < 20; i++)
		feed(r, i, M_VRAM_USED_MB, 1);
	assert_string_equal(feed(r, 20, M_VRAM_USED_MB, 8001), "vfc");	  /* no total known: the absolute one */
	assert_string_equal(feed(r, 21, M_STATE_SIZE_BYTES, 1e12), ""); /* no model size known: silent */
	fields_set_number(&session, F_VRAM_TOTAL_MB, 1000);
	fields_set_number(&session, F_MODEL_BYTES, 1000);
	rules_eval(r, &start, f);
	assert_string_equal(feed(r, 22, M_STATE_SIZE_BYTES, 501), "vfc");
	assert_string_equal(feed(r, 23, M_VRAM_USED_MB, 801), "vf");
	rules_close(r);
	ruleset_close(set);
}

static void a_drop_is_sudden_only_against_the_recent_past(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: state_divergence, metric: state_similarity, below: 0.8, "
				     "sudden: {deviations: 6, of: 64}, warmup: 0}]");
	struct rules *r = rules_of(set, RULES_LIVE);

	(void)state;
	for (int i = 0; i < 64; i++) /* low is usual here: no alarm */
		assert_string_equal(feed(r, i, M_STATE_SIMILARITY, 0.70 + 0.001 * (i % 10)), "");
	assert_string_equal(feed(r, 64, M_STATE_SIMILARITY, 0.69), "");
	assert_string_equal(feed(r, 65, M_STATE_SIMILARITY, 0.2), "vfc");
	rules_close(r);
	ruleset_close(set);
}

static void a_baseline_can_be_learned(void **state)
{
	struct ruleset *set = set_of("baseline: learn\nrules: [{alarm: high_latency, metric: token_latency_ms, "
				     "above: {of: baseline, times: 2}, warmup: 0}]");
	struct rules *r = rules_of(set, RULES_LIVE);

	(void)state;
	for (int i = 0; i < 50; i++)
		assert_string_equal(feed(r, i, M_TOKEN_LATENCY_MS, 7), "");
	assert_string_equal(feed(r, 50, M_TOKEN_LATENCY_MS, 14), "");
	assert_string_equal(feed(r, 51, M_TOKEN_LATENCY_MS, 14.5), "vfc");
	rules_close(r);
	ruleset_close(set);
}

/* A record with two metrics, at a second and a token of a sequence; the findings' number. */
static size_t feed2(struct rules *r, int at, uint32_t sequence, const double *a, enum metric_id ma, const double *b, enum metric_id mb,
		    struct rule_finding f[RULES_MAX])
{
	struct record rec = { .time_us = at * INT64_C(1000000), .event = EVENT_INFERENCE_STEP, .session = &nothing, .phase = PHASE_DECODE,
			      .sequence = sequence, .sequence_length = (uint64_t)at };

	if (a)
		record_set(&rec, ma, *a);
	if (b)
		record_set(&rec, mb, *b);
	return rules_eval(r, &rec, f);
}

static void a_limit_may_follow_another_metric(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: high_vram_usage, metric: process_vram_mb, above: {of: vram_used_mb, times: 0.5}, warmup: 0}]");
	struct rules *r = rules_of(set, RULES_LIVE);
	struct rule_finding f[RULES_MAX];
	double used = 1000, own = 501;

	(void)state;
	assert_int_equal(feed2(r, 1, 0, &own, M_PROCESS_VRAM_MB, &used, M_VRAM_USED_MB, f), 1);
	assert_true(f[0].firing && f[0].changed && f[0].limit == 500);
	used = 2000;
	assert_int_equal(feed2(r, 2, 0, &own, M_PROCESS_VRAM_MB, &used, M_VRAM_USED_MB, f), 1);
	assert_true(f[0].changed && !f[0].firing);
	assert_int_equal(feed2(r, 3, 0, &own, M_PROCESS_VRAM_MB, NULL, M_VRAM_USED_MB, f), 0); /* unknown: no limit */
	rules_close(r);
	ruleset_close(set);
}

static void a_change_may_be_sudden_in_both_directions(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: slow_chunk, metric: chunk_process_time_ms, cooldown: 0, warmup: 0,"
				     " sudden: {deviations: 5, of: 16, least: 3}}]");
	struct rules *r = rules_of(set, RULES_LIVE);

	(void)state;
	assert_string_equal(feed(r, 0, M_CHUNK_PROCESS_TIME_MS, 900), ""); /* nothing is usual yet */
	for (int i = 1; i < 40; i++)
		assert_string_equal(feed(r, i, M_CHUNK_PROCESS_TIME_MS, 100 + 0.1 * (i % 3)), "");
	assert_string_equal(feed(r, 41, M_CHUNK_PROCESS_TIME_MS, 102.9), ""); /* many deviations, but not 3 ms */
	assert_string_equal(feed(r, 42, M_CHUNK_PROCESS_TIME_MS, 104), "vfc");
	assert_string_equal(feed(r, 43, M_CHUNK_PROCESS_TIME_MS, 100), "c");
	assert_string_equal(feed(r, 44, M_CHUNK_PROCESS_TIME_MS, 90), "vfc");
	rules_close(r);
	ruleset_close(set);
}

static void conditions_are_joined(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: high_repetition, metric: token_repetition_pct, above: 50, clear: 0, cooldown: 0,"
				     " warmup: 0, and: [{metric: logits_entropy, below: 1, over: 3, by: max}]}]");
	struct rules *r = rules_of(set, RULES_LIVE);
	struct rule_finding f[RULES_MAX];
	double much = 60, little = 40, low = 0.5, high = 2;

	(void)state;
	for (int i = 0; i < 2; i++) /* the second condition's window is not full yet */
		assert_int_equal(feed2(r, i, 0, &much, M_TOKEN_REPETITION_PCT, &low, M_LOGITS_ENTROPY, f), 0);
	assert_int_equal(feed2(r, 2, 0, &much, M_TOKEN_REPETITION_PCT, &low, M_LOGITS_ENTROPY, f), 1);
	assert_true(f[0].changed && f[0].firing && f[0].value == 60 && f[0].limit == 50); /* the first one's */
	assert_int_equal(feed2(r, 3, 0, &much, M_TOKEN_REPETITION_PCT, &high, M_LOGITS_ENTROPY, f), 1);
	assert_true(f[0].changed && !f[0].firing); /* one of them is enough to end it */
	for (int i = 4; i < 8; i++)
		assert_int_equal(feed2(r, i, 0, &little, M_TOKEN_REPETITION_PCT, &low, M_LOGITS_ENTROPY, f), 0);
	assert_int_equal(feed2(r, 8, 0, NULL, M_TOKEN_REPETITION_PCT, &low, M_LOGITS_ENTROPY, f), 0); /* missing data never fires */
	rules_close(r);
	ruleset_close(set);
}

static void a_collapse_says_where_it_began_and_what_it_cost(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: mode_collapse, kind: loop, metric: repeat_cycle_tokens, above: 20, missing: 0, clear: 0,"
				     " cooldown: 0, warmup: 0, phase: decode}]");
	struct rules *r = rules_of(set, RULES_LIVE);
	struct rule_finding f[RULES_MAX];

	(void)state;
	for (uint32_t sequence = 0; sequence < 2; sequence++) {
		int from = sequence ? 50 : 300; /* the first token that repeats */

		for (int at = 1; at <= from + 60; at++) {
			double run = at - from + 1;
			size_t n = feed2(r, at + 1000 * (int)sequence, sequence, NULL, M_LOGITS_ENTROPY, run >= 16 ? &run : NULL,
					 M_REPEAT_CYCLE_TOKENS, f);

			assert_int_equal(n, run > 20);
			if (!n)
				continue;
			assert_int_equal(f[0].kind, COLLAPSE_LOOP);
			assert_int_equal(f[0].first_bad_token, from + 1000 * (int)sequence);
			assert_int_equal(f[0].tokens_wasted, at - from + 1);
			assert_int_equal(f[0].changed, run == 21);
		}
		assert_int_equal(feed2(r, from + 61 + 1000 * (int)sequence, sequence, NULL, M_LOGITS_ENTROPY, NULL, M_LOGITS_ENTROPY, f), 1);
		assert_true(f[0].changed && !f[0].firing && f[0].tokens_wasted == 61); /* the total */
	}
	rules_close(r);
	ruleset_close(set);
}

static void rules_read_anew_keep_what_is_on(void **state)
{
	struct ruleset *old = set_of("rules: [{name: a, alarm: high_latency, metric: token_latency_ms, above: 10, warmup: 0},"
				     " {name: b, alarm: slow_chunk, metric: token_latency_ms, above: 10, warmup: 0}]");
	struct ruleset *new = set_of("rules: [{name: a, alarm: high_latency, metric: token_latency_ms, above: 50, warmup: 0},"
				     " {name: c, alarm: low_throughput, metric: token_latency_ms, above: 1}]");
	struct rules *was = rules_of(old, RULES_LIVE), *is = rules_of(new, RULES_LIVE);
	struct rule_finding f[RULES_MAX];
	double slow = 20;

	(void)state;
	for (int i = 0; i < 25; i++)
		feed2(was, i, 0, &slow, M_TOKEN_LATENCY_MS, NULL, M_TOKEN_LATENCY_MS, f);
	assert_int_equal(rules_inherit(is, was, f), 1); /* b is no more: off */
	assert_string_equal(f[0].rule, "b");
	assert_true(f[0].changed && !f[0].firing);
	assert_int_equal(feed2(is, 26, 0, &slow, M_TOKEN_LATENCY_MS, NULL, M_TOKEN_LATENCY_MS, f), 2);
	assert_true(!strcmp(f[0].rule, "a") && f[0].changed && !f[0].firing); /* was on, and is inside its new limit */
	assert_true(!strcmp(f[1].rule, "c") && f[1].firing);		      /* the warm-up is over, also for new rules */
	rules_close(was);
	rules_close(is);
	ruleset_close(old);
	ruleset_close(new);
}

static void bad_files_are_refused_with_place_and_advice(void **state)
{
	static const struct {
		const char *text, *where, *says, *hint;
	} cases[] = {
		{ "rules:\n  - alarm: high_latncy\n", ":2:12: ", "found \"high_latncy\"", "high_latency" },
		{ "rules:\n  - alarm: high_latency\n    metrik: x\n", ":3:5: ", "found \"metrik\"", "metric" },
		{ "rules:\n  - alarm: high_latency\n    metric: token_latency_ms\n", ":2:5: ", "found no limit", NULL },
		{ "rules:\n  - {alarm: high_latency, metric: token_latency_ms, above: fast}\n", ":2:60: ", "found \"fast\"", NULL },
		{ "rules:\n  - {alarm: high_latency, metric: token_latency_ms, above: 1, for: soon}\n", ":2:68: ", "duration", NULL },
		{ "rules:\n  - {alarm: high_latency, metric: token_latency_ms, above: {of: vram, times: 2}}\n", ":2:65: ", "found \"vram\"", NULL },
		{ "rules: 5\n", ":1:8: ", "list", NULL },
		{ "rules: [\n", ":2:1: ", "is no YAML", NULL },
		{ "", "", "is empty", NULL },
		{ "name: x\n", ":1:1: ", "found no rules", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1}, {alarm: high_latency, metric: token_latency_ms, above: 2}]",
		  ":1:68: ", "second rule", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, above: 2}]", ":1:67: ", "second time", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, by: mean}]", ":1:9: ", "`by: mean` of one record", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, kind: loop}]", ":1:9: ", "only in mode_collapse", NULL },
		{ "rules: [{alarm: mode_collapse, metric: token_latency_ms, above: 1, kind: lop}]", ":1:74: ", "kind of collapse", "loop" },
		{ "rules: [{alarm: mode_collapse, metric: token_latency_ms, above: 1, and: [{metric: logits_entropy}]}]", ":1:74: ", "found no limit", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, and: []}]", ":1:72: ", "1 to 3 conditions", NULL },
		{ "overlays: [thresholds]", ":1:12: ", "found \"thresholds\"", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char path[] = "/tmp/rwkvmon-rules-XXXXXX";
		int fd = mkstemp(path);
		struct ruleset *set;
		struct err err = { 0 };

		assert_true(write(fd, cases[i].text, strlen(cases[i].text)) >= 0);
		close(fd);
		assert_int_equal(ruleset_open(&set, path, &err), -ERR_RULE);
		assert_null(set);
		unlink(path);
		if (!strstr(err.text, cases[i].where) || !strstr(err.text, cases[i].says) ||
		    (cases[i].hint && !strstr(err.hint, cases[i].hint)))
			fail_msg("%s\nrefused with: %s (%s)", cases[i].text, err.text, err.hint);
	}
}

static bool same_finding(const struct rule_finding *a, const struct rule_finding *b)
{
	return a->type == b->type && a->severity == b->severity && a->metric == b->metric && !strcmp(a->rule, b->rule) &&
	       a->summary == b->summary && a->action == b->action && a->value == b->value &&
	       (a->limit == b->limit || (isnan(a->limit) && isnan(b->limit)));
}

/* A step, or now and then a session's start, drawn from a seed; some metrics are missing. */
static void draw_record(struct record *rec, struct field_values *session, unsigned i)
{
	static const double typical[] = { 0, 0.5, 1, 2, 8, 15, 50, 75, 90, 100, 200, 8000 };
	unsigned draw = i * 2654435761u;

	*session = (struct field_values){ 0 };
	*rec = (struct record){ .time_us = i * INT64_C(700000), .event = EVENT_INFERENCE_STEP, .session = session,
				.sequence_length = i % 300 };
	if (i % 500 == 499) {
		rec->event = EVENT_SESSION_START;
		fields_set_number(session, F_VOCAB_SIZE, i % 1000 == 999 ? 65536 : 256);
		fields_set_number(session, F_VRAM_TOTAL_MB, 9000);
		return;
	}
	for (int m = 0; m < METRIC_COUNT; m++) {
		draw = draw * 1664525 + 1013904223;
		if (draw >> 29)
			record_set(rec, (enum metric_id)m, typical[(draw >> 16) % (sizeof typical / sizeof *typical)] * (1 + (draw >> 12 & 3) / 8.0));
	}
}

static void violations_alone_are_those_of_the_whole_evaluation(void **state)
{
	static const char own[] = "baseline: learn\nreplay: {over: 1, warmup: 3}\nrules: ["
				  "{alarm: high_latency, metric: token_latency_ms, above: {of: baseline, times: 1.5}}, "
				  "{alarm: state_divergence, metric: state_similarity, below: 0.8, sudden: {deviations: 1, of: 16}, after_tokens: 9}, "
				  "{alarm: high_repetition, metric: token_repetition_pct, above: 15, missing: 20, over: 7, by: max}]";
	struct ruleset *set[3];
	size_t violated = 0;

	(void)state;
	assert_int_equal(ruleset_open(&set[0], "baseline", NULL), 0);
	assert_int_equal(ruleset_open(&set[1], "thresholds", NULL), 0);
	set[2] = set_of(own);
	for (int s = 0; s < 3; s++) {
		struct rules *whole = rules_of(set[s], RULES_REPLAY), *alone = rules_of(set[s], RULES_REPLAY);

		for (unsigned i = 0; i < 5000; i++) {
			struct rule_finding all[RULES_MAX], some[RULES_MAX];
			struct field_values session;
			struct record rec;
			size_t n, k, at = 0;

			draw_record(&rec, &session, i);
			n = rules_eval(whole, &rec, all);
			k = rules_violated(alone, &rec, some);
			for (size_t f = 0; f < n; f++)
				if (all[f].violated)
					assert_true(at < k && same_finding(&all[f], &some[at++]));
			assert_int_equal(at, k);
			violated += k;
		}
		rules_close(whole);
		rules_close(alone);
		ruleset_close(set[s]);
	}
	assert_true(violated > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alarm_fires_once_holds_and_resolves),
		cmocka_unit_test(for_wants_the_violation_to_last),
		cmocka_unit_test(warm_up_and_missing_data_never_fire),
		cmocka_unit_test(nonfinite_values_fire_at_once_and_resolve_when_gone),
		cmocka_unit_test(replayed_baseline_judges_every_record),
		cmocka_unit_test(a_small_vocabulary_brings_the_byte_overlay),
		cmocka_unit_test(relative_limits_follow_what_they_name),
		cmocka_unit_test(a_drop_is_sudden_only_against_the_recent_past),
		cmocka_unit_test(a_baseline_can_be_learned),
		cmocka_unit_test(a_limit_may_follow_another_metric),
		cmocka_unit_test(a_change_may_be_sudden_in_both_directions),
		cmocka_unit_test(conditions_are_joined),
		cmocka_unit_test(a_collapse_says_where_it_began_and_what_it_cost),
		cmocka_unit_test(rules_read_anew_keep_what_is_on),
		cmocka_unit_test(violations_alone_are_those_of_the_whole_evaluation),
		cmocka_unit_test(bad_files_are_refused_with_place_and_advice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
