/* Rules: what violates, what fires, when it resolves, and how bad files are refused. */
#include "test.h"

#include "export/deliver.h"
#include "rules/describe.h"
#include "rules/judge.h"
#include "spec/diagnosis.h"

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

	assert_int_equal(rules_open(&r, set, mode, NULL, NULL), 0);
	return r;
}

static const struct field_values nothing;

/* Feeds one value at a time of seconds; returns the finding's flags: v(iolated) f(iring) c(hanged). */
static const char *feed(struct rules *r, double seconds, enum metric_id m, double value)
{
	static char flags[4];
	struct record rec = { .time_us = (int64_t)(seconds * 1e6),
			      .event = EVENT_INFERENCE_STEP,
			      .session = &nothing,
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
	struct ruleset *set = set_of("rules: [{alarm: high_latency, metric: token_latency_ms, above: 100, clear: 0.2, "
				     "cooldown: 10s, warmup: 0}]");
	struct rules *r = rules_of(set, RULES_LIVE);

	(void)state;
	assert_string_equal(feed(r, 0, M_TOKEN_LATENCY_MS, 100), "");
	assert_string_equal(feed(r, 1, M_TOKEN_LATENCY_MS, 101), "vfc");
	assert_string_equal(feed(r, 2, M_TOKEN_LATENCY_MS, 300), "vf");
	assert_string_equal(feed(r, 3, M_TOKEN_LATENCY_MS, 90), "");    /* inside, but not by 20 % yet: still on */
	assert_string_equal(feed(r, 4, M_TOKEN_LATENCY_MS, 120), "vf"); /* so this is no second alarm */
	assert_string_equal(feed(r, 5, M_TOKEN_LATENCY_MS, 80), "c");   /* resolved */
	assert_string_equal(feed(r, 6, M_TOKEN_LATENCY_MS, 500), "v");  /* within the cooldown: silent */
	assert_string_equal(feed(r, 10.9, M_TOKEN_LATENCY_MS, 500), "v");
	assert_string_equal(feed(r, 11, M_TOKEN_LATENCY_MS, 500), "vfc");
	rules_close(r);
	ruleset_close(set);
}

static void for_wants_the_violation_to_last(void **state)
{
	struct ruleset *set = set_of(
		"rules: [{alarm: high_gpu_utilization, metric: gpu_utilization_pct, above: 90, for: 30s, warmup: 0}]");
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

static double limit_above(const struct ruleset *set, enum metric_id m)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->rule[i].when[0].metric == m)
			return set->rule[i].when[0].above.value;
	return -1;
}

/* What the diagnosis calls published is what the published rules say. */
static void published_limits_are_the_same_everywhere(void **state)
{
	struct ruleset *set;

	(void)state;
	assert_int_equal(ruleset_open(&set, "thresholds", NULL), 0);
	assert_true(limit_above(set, M_CHUNK_PROCESS_TIME_MS) == limit_of(T_CHUNK_MS));
	assert_true(limit_above(set, M_QUANT_KL_NATS) == limit_of(T_QUANT_KL));
	ruleset_close(set);
	assert_int_equal(ruleset_open(&set, "default", NULL), 0);
	assert_true(limit_above(set, M_QUANT_KL_NATS) == limit_of(T_QUANT_KL));
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

/* One token is no verdict, replayed as little as live. */
static void replayed_baseline_judges_windows(void **state)
{
	struct ruleset *set;
	struct rules *r;

	(void)state;
	assert_int_equal(ruleset_open(&set, "baseline", NULL), 0);
	r = rules_of(set, RULES_REPLAY);
	assert_string_equal(feed(r, 0, M_TOKEN_LATENCY_MS, 75), "");
	for (int i = 1; i < 14; i++)
		assert_string_equal(feed(r, i, M_TOKEN_LATENCY_MS, i < 9 ? 1 : 75.001), "");
	assert_string_equal(feed(r, 14, M_TOKEN_LATENCY_MS, 75.001), "vfc"); /* the median of 10 */
	for (int i = 0; i < 99; i++)
		assert_string_equal(feed(r, 20, M_LOGITS_ENTROPY, i % 4 ? 1.3 : 0.05), "");
	assert_string_equal(feed(r, 21, M_LOGITS_ENTROPY, 0.1), "vfc"); /* the mean of 100: 0.99 */
	assert_string_equal(feed(r, 22, M_VRAM_USED_MB, 8000), "");
	assert_string_equal(feed(r, 23, M_TOKEN_REPETITION_PCT, 15.5), "vfc");
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
	assert_string_equal(feed(r, 20, M_VRAM_USED_MB, 8001), "vfc");  /* no total known: the absolute one */
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
static size_t feed2(struct rules *r, int at, uint32_t sequence, const double *a, enum metric_id ma, const double *b,
		    enum metric_id mb, struct rule_finding f[RULES_MAX])
{
	struct record rec = { .time_us = at * INT64_C(1000000),
			      .event = EVENT_INFERENCE_STEP,
			      .session = &nothing,
			      .phase = PHASE_DECODE,
			      .sequence = sequence,
			      .sequence_length = (uint64_t)at };

	if (a)
		record_set(&rec, ma, *a);
	if (b)
		record_set(&rec, mb, *b);
	return rules_eval(r, &rec, f);
}

/* Both spellings: a key of its own, and a value in place of the missing one. */
static void a_condition_may_ask_for_absence(void **state)
{
	static const char *const asks[] = { "absent: yes", "below: 0, missing: -1" };
	const double used = 9000, fullest = 10;

	(void)state;
	for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
		struct rule_limit limit[RULE_LIMITS_MAX];
		struct rule_finding f[RULES_MAX];
		struct ruleset *set;
		struct rules *r;
		char text[200];

		snprintf(text, sizeof text,
			 "rules: [{alarm: high_vram_usage, metric: vram_used_mb, above: 8000, warmup: 0, "
			 "and: [{metric: vram_fullest_pct, %s}]}]",
			 asks[i]);
		set = set_of(text);
		r = rules_of(set, RULES_LIVE);
		assert_int_equal(rule_lacks(&set->rule[0], metric_bit(M_VRAM_USED_MB)), METRIC_COUNT);
		assert_int_equal(feed2(r, 1, 0, &used, M_VRAM_USED_MB, &fullest, M_VRAM_FULLEST_PCT, f), 0);
		assert_int_equal(feed2(r, 2, 0, &used, M_VRAM_USED_MB, NULL, M_VRAM_FULLEST_PCT, f), 1);
		assert_true(f[0].firing && f[0].value == used && f[0].limit == 8000);
		assert_int_equal(rules_limits(r, limit), 1); /* a limit like one that stands alone */
		assert_int_equal(feed2(r, 3, 0, &used, M_VRAM_USED_MB, &fullest, M_VRAM_FULLEST_PCT, f), 1);
		assert_true(f[0].changed && !f[0].firing);
		rules_close(r);
		ruleset_close(set);
	}
}

/* Its limit is not in the metric's unit, and is no line in the metric's chart. */
static void a_spread_has_no_unit(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: slow_chunk, metric: chunk_process_time_ms, above: 0.5, over: 8, "
				     "by: spread}]");
	struct rules *r = rules_of(set, RULES_LIVE);
	struct rule_limit limit[RULE_LIMITS_MAX];
	struct buf says = { 0 };

	(void)state;
	rule_describe(&says, &set->rule[0], LANG_EN);
	assert_string_equal(says.p, "spread of 8 chunk_process_time_ms > 0.5");
	assert_int_equal(rules_limits(r, limit), 0);
	buf_free(&says);
	rules_close(r);
	ruleset_close(set);
}

/* Nor has an alarm of one: the words for receivers and terminals would call it milliseconds. */
static void an_alarm_by_spread_has_no_unit(void **state)
{
	static const char *const by[] = { "spread", "max" };
	struct record step = { .time_us = 1, .event = EVENT_INFERENCE_STEP, .session = &nothing };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rule_finding f = { .type = ALARM_SLOW_CHUNK,
					  .metric = M_CHUNK_PROCESS_TIME_MS,
					  .rule = by[i],
					  .summary = alarm_specs[ALARM_SLOW_CHUNK].label,
					  .action = alarm_specs[ALARM_SLOW_CHUNK].label,
					  .value = 0.8125,
					  .limit = 0.5,
					  .is_spread = !i,
					  .firing = true };
		struct field_values extra;
		struct record alarm;
		struct buf reading = { 0 }, words = { 0 };

		rules_alarm_record(&f, &step, LANG_EN, &alarm, &extra, &words);
		assert_false(words.used);
		format_reading(&reading, &alarm, LANG_EN);
		assert_int_equal(fields_have(alarm.extra, F_AGGREGATE), !i);
		assert_int_equal(strstr(reading.p, " ms") != NULL, i);
		buf_free(&reading);
	}
}

static void what_is_over_is_said_in_words(void **state)
{
	static const char *const says[LANG_COUNT] = { "over: High latency, from 2025-09-11T12:00:00.250Z for 42.5 s",
						      "已解除：延迟过高，始于 2025-09-11T12:00:00.250Z，持续 42.5 秒" };
	const int64_t fired_us = INT64_C(1757592000250000);
	const struct record step = { .time_us = fired_us + 42500000, .event = EVENT_INFERENCE_STEP };
	const struct rule_finding f = { .type = ALARM_HIGH_LATENCY,
					.metric = M_TOKEN_LATENCY_MS,
					.rule = "high_latency",
					.summary = alarm_specs[ALARM_HIGH_LATENCY].label,
					.action = alarm_specs[ALARM_HIGH_LATENCY].label,
					.fired_us = fired_us };

	(void)state;
	for (int lang = 0; lang < LANG_COUNT; lang++) {
		struct field_values extra;
		struct record alarm;
		struct buf words = { 0 };
		struct slice summary;

		rules_alarm_record(&f, &step, (enum lang)lang, &alarm, &extra, &words);
		summary = fields_text(&extra, F_SUMMARY);
		assert_int_equal(alarm.event, EVENT_ALARM_RESOLVED);
		assert_true(slice_is(summary, says[lang]));
		buf_free(&words);
	}
}

static void a_limit_may_follow_another_metric(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: high_vram_usage, metric: process_vram_mb, above: {of: "
				     "vram_used_mb, times: 0.5}, warmup: 0}]");
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
	struct ruleset *set =
		set_of("rules: [{alarm: slow_chunk, metric: chunk_process_time_ms, cooldown: 0, warmup: 0,"
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
	struct ruleset *set = set_of(
		"rules: [{alarm: high_repetition, metric: token_repetition_pct, above: 50, clear: 0, cooldown: 0,"
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
	assert_int_equal(feed2(r, 8, 0, NULL, M_TOKEN_REPETITION_PCT, &low, M_LOGITS_ENTROPY, f),
			 0); /* missing data never fires */
	rules_close(r);
	ruleset_close(set);
}

static void a_collapse_says_where_it_began_and_what_it_cost(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: mode_collapse, kind: loop, metric: repeat_cycle_tokens, above: "
				     "20, missing: 0, clear: 0,"
				     " cooldown: 0, warmup: 0, phase: decode}]");
	struct rules *r = rules_of(set, RULES_LIVE);
	struct rule_finding f[RULES_MAX];

	(void)state;
	for (uint32_t sequence = 0; sequence < 2; sequence++) {
		int from = sequence ? 50 : 300; /* the first token that repeats */

		for (int at = 1; at <= from + 60; at++) {
			double run = at - from + 1;
			size_t n = feed2(r, at + 1000 * (int)sequence, sequence, NULL, M_LOGITS_ENTROPY,
					 run >= 16 ? &run : NULL, M_REPEAT_CYCLE_TOKENS, f);

			assert_int_equal(n, run > 20);
			if (!n)
				continue;
			assert_int_equal(f[0].kind, COLLAPSE_LOOP);
			assert_int_equal(f[0].first_bad_token, from + 1000 * (int)sequence);
			assert_int_equal(f[0].tokens_wasted, at - from + 1);
			assert_int_equal(f[0].changed, run == 21);
		}
		assert_int_equal(feed2(r, from + 61 + 1000 * (int)sequence, sequence, NULL, M_LOGITS_ENTROPY, NULL,
				       M_LOGITS_ENTROPY, f),
				 1);
		assert_true(f[0].changed && !f[0].firing && f[0].tokens_wasted == 61); /* the total */
	}
	rules_close(r);
	ruleset_close(set);
}

static void rules_read_anew_keep_what_is_on(void **state)
{
	struct ruleset *old =
		set_of("rules: [{name: a, alarm: high_latency, metric: token_latency_ms, above: 10, warmup: 0},"
		       " {name: b, alarm: slow_chunk, metric: token_latency_ms, above: 10, warmup: 0}]");
	struct ruleset *new =
		set_of("rules: [{name: a, alarm: high_latency, metric: token_latency_ms, above: 50, warmup: 0},"
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
	assert_true(!strcmp(f[1].rule, "c") && f[1].firing); /* the warm-up is over, also for new rules */
	rules_close(was);
	rules_close(is);
	ruleset_close(old);
	ruleset_close(new);
}

/* baseline=20ms,40tps: the shipped set with the caller's own numbers. */
static void a_baseline_of_ones_own(void **state)
{
	static const char *const bad[] = { "baseline=",      "baseline=fast", "baseline=0ms",
					   "baseline=20ms,", "baseline=20",   "baseline=20ms,30ms" };
	struct rule_limit limit[RULE_LIMITS_MAX];
	struct ruleset *set;
	struct rules *rules;
	struct err err;
	double latency = 0, throughput = 0;

	(void)state;
	assert_int_equal(ruleset_open(&set, "baseline=20ms,40tps", &err), 0);
	assert_string_equal(ruleset_name(set), "baseline=20ms,40tps");
	for (size_t i = 0; i < set->n; i++)
		for (int lang = 0; lang < LANG_COUNT; lang++)
			assert_null(strstr(set->rule[i].summary[lang], "50 ms"));
	assert_int_equal(rules_open(&rules, set, RULES_LIVE, NULL, &err), 0);
	for (size_t n = rules_limits(rules, limit); n-- > 0;) {
		latency = limit[n].metric == M_TOKEN_LATENCY_MS ? limit[n].value : latency;
		throughput = limit[n].metric == M_THROUGHPUT_TPS ? limit[n].value : throughput;
	}
	assert_float_equal(latency, 30, 1e-9);
	assert_float_equal(throughput, 20, 1e-9);
	rules_close(rules);
	ruleset_close(set);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(ruleset_open(&set, bad[i], &err), -ERR_USAGE);
		assert_null(set);
	}
}

/* The models of its `when`, and no others, also where it is not laid over another set. */
static void an_overlay_by_itself_is_for_its_models(void **state)
{
	static const struct {
		double vocab;
		bool judged;
	} cases[] = { { NAN, false }, { 1024, true }, { 1025, false }, { 256, true } };
	struct rule_limit limit[RULE_LIMITS_MAX];
	struct ruleset *set;
	struct rules *rules;
	struct err err;

	(void)state;
	assert_int_equal(ruleset_open(&set, "byte", &err), 0);
	rules = rules_of(set, RULES_LIVE);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct field_values session = { 0 };
		struct record start = { .event = EVENT_SESSION_START, .session = &session };
		struct rule_finding f[RULES_MAX];

		if (!isnan(cases[i].vocab))
			fields_set_number(&session, F_VOCAB_SIZE, cases[i].vocab);
		rules_eval(rules, &start, f);
		assert_int_equal(rules_limits(rules, limit) > 0, cases[i].judged);
	}
	rules_close(rules);
	ruleset_close(set);
}

static void bad_files_are_refused_with_place_and_advice(void **state)
{
	static const struct {
		const char *text, *where, *says, *hint;
	} cases[] = {
		{ "rules:\n  - alarm: high_latncy\n", ":2:12: ", "found \"high_latncy\"", "high_latency" },
		{ "rules:\n  - alarm: high_latency\n    metrik: x\n", ":3:5: ", "found \"metrik\"", "metric" },
		{ "rules:\n  - alarm: high_latency\n    metric: token_latency_ms\n", ":2:5: ", "found no limit", NULL },
		{ "rules:\n  - {alarm: high_latency, metric: token_latency_ms, above: fast}\n",
		  ":2:60: ", "found \"fast\"", NULL },
		{ "rules:\n  - {alarm: high_latency, metric: token_latency_ms, above: 1, for: soon}\n",
		  ":2:68: ", "duration", NULL },
		{ "rules:\n  - {alarm: high_latency, metric: token_latency_ms, above: {of: vram, times: 2}}\n",
		  ":2:65: ", "found \"vram\"", NULL },
		{ "rules: 5\n", ":1:8: ", "list", NULL },
		{ "rules: [\n", ":2:1: ", "is no YAML", NULL },
		{ "", "", "is empty", NULL },
		{ "name: x\n", ":1:1: ", "found no rules", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1}, {alarm: high_latency, metric: "
		  "token_latency_ms, above: 2}]",
		  ":1:68: ", "second rule", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, above: 2}]",
		  ":1:67: ", "second time", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, by: mean}]",
		  ":1:9: ", "`by: mean` of one record", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, kind: loop}]",
		  ":1:9: ", "only in mode_collapse", NULL },
		{ "rules: [{alarm: mode_collapse, metric: token_latency_ms, above: 1, kind: lop}]",
		  ":1:74: ", "kind of collapse", "loop" },
		{ "rules: [{alarm: mode_collapse, metric: token_latency_ms, above: 1, and: [{metric: "
		  "logits_entropy}]}]",
		  ":1:74: ", "found no limit", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, and: []}]",
		  ":1:72: ", "1 to 3 conditions", NULL },
		{ "overlays: [thresholds]", ":1:12: ", "found \"thresholds\"", NULL },
		{ "rules: [{alarm: forecast, severity: critical, metric: vram_used_mb, above: 9, forecast: {within: "
		  "9s}}]",
		  ":1:9:", "nothing has happened yet", NULL },
		{ "rules: [{alarm: forecast, metric: vram_used_mb, above: 9, forecast: {over: 9s}}]",
		  ":1:", "no `within`", NULL },
		{ "rules: [{alarm: forecast, metric: vram_used_mb, above: 9, over: 5, forecast: {within: 9s}}]",
		  ":1:9:", "expected it alone", NULL },
		{ "rules: [{alarm: unusual, metric: vram_used_mb, above: 9, unusual: {once_in: 99}}]", ":1:9:", "alone",
		  NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, absent: yes}]",
		  ":1:9:", "expected it in `and`", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, and: [{metric: vram_used_mb, "
		  "absent: yes, over: 5}]}]",
		  ":1:73:", "expected it alone", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, and: [{metric: vram_used_mb, "
		  "absent: 1}]}]",
		  ":1:", "expected yes or no", NULL },
		{ "rules: [{alarm: unusual, metric: vram_used_mb, unusual: {once_in: 2}}]", ":1:", "from 10 to 1e9",
		  NULL },
		{ "rules: [{alarm: unusual, metric: vram_used_mb, unusual: {once_in: 99, beyond: 1}}]",
		  ":1:", "neither or both", NULL },
		{ "rules: [{alarm: unusual, metric: vram_used_mb, unusual: {beyond: 0}}]", ":1:", "from 0.01 to 1000",
		  NULL },
		/* Keys that would have no effect. */
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: {of: learned}, below: 5}]",
		  ":1:86: ", "another limit beside", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 5, below: {of: learned}}]",
		  ":1:64: ", "another limit beside", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: {of: learned, otherwise: 9}}]",
		  ":1:89: ", "`otherwise` beside `of: learned`", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: {of: learned, plus: 9}}]",
		  ":1:84: ", "`plus` beside `of: learned`", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: {of: goal, deviations: 9}}]",
		  ":1:87: ", "not learned", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 9, over: 5}]",
		  ":1:9: ", "only the last is judged", NULL },
		{ "rules: [{alarm: unusual, metric: vram_used_mb, by: max, unusual: {beyond: 1}}]", ":1:9: ", "alone",
		  NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: 1, and: [{metric: vram_used_mb, "
		  "absent: yes, by: max}]}]",
		  ":1:73: ", "expected it alone", NULL },
		{ "rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: {of: goal}}]",
		  ":1:9: ", "the goal is a speed", NULL },
		{ "rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: {of: logits_entropy, times: 2}}]",
		  ":1:9: ", "relative to logits_entropy itself", NULL },
		{ "rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: 1, below: 8}]",
		  ":1:9: ", "every value violates", NULL },
		{ "rules: [{alarm: abnormal_entropy, metric: logits_entropy, sudden: {of: 1}}]",
		  ":1:72: ", "from 2 to 1024", NULL },
		{ "rules: [{alarm: abnormal_entropy, metric: logits_entropy, sudden: {}, clear: 0.5}]",
		  ":1:78: ", "`clear` in a rule without limits", NULL },
		{ "rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: 9, vocab: {above: 9, at_most: 9}}]",
		  ":1:76: ", "above 9 and at most 9", NULL },
		{ "rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: 9, vocab: {}}]",
		  ":1:76: ", "such as `above`", NULL },
		{ "rules: [{}]", ":1:9: ", "such as `alarm`", NULL },
		{ "when: {vocab_size_at_most: 0}\nrules: [{alarm: abnormal_entropy, metric: logits_entropy, above: 9}]",
		  ":1:28: ", "expected at least 1", NULL },
		{ "rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: 9, summary: {en: a, zh: b, fr: "
		  "c}}]",
		  ":1:93: ", "found \"fr\"", NULL },
		{ "rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: 9, summary: {en: a, zh: b, en: "
		  "c}}]",
		  ":1:93: ", "second time", NULL },
		{ "baseline: {token_latency_ms: 50, token_latency_ms: 60}\n"
		  "rules: [{alarm: high_latency, metric: token_latency_ms, above: {of: baseline}}]",
		  ":1:34: ", "second time", NULL },
		{ "baseline: {throughput_tps: 50, token_latency_ms: 60}\n"
		  "rules: [{alarm: high_latency, metric: token_latency_ms, above: {of: baseline}}]",
		  ":1:12: ", "no rule for it", NULL },
		{ "baseline: learn\nrules: [{alarm: high_latency, metric: token_latency_ms, above: 9}]",
		  ":1:11: ", "a baseline to learn", NULL },
		{ "rules: [{alarm: high_latency, metric: token_latency_ms, above: {of: baseline}}]",
		  ":1:9: ", "whose baseline is not given", NULL },
		{ "overlays: [byte]\nrules: [{alarm: high_latency, metric: token_latency_ms, above: 9}]",
		  ":1:11: ", "replaces none of the rules", NULL },
		{ "replay: {over: 3}\nrules: [{alarm: high_latency, metric: token_latency_ms, above: 9}]",
		  ":1:9: ", "no rule that judges several records", NULL },
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

/* 10 MiB/s from second 100 on, full at 2,000 MiB; seconds until the alarm is on, negative: never. */
static double foreseen_at(struct rules *r, double mb_per_s, double seconds)
{
	for (double t = 0; t < seconds; t += 0.25) {
		double noise = 3 * sin(t * 1e4), mb = 1000 + noise + (t > 100 ? mb_per_s * (t - 100) : 0);

		if (strchr(feed(r, t, M_PROCESS_MEMORY_MB, mb), 'f'))
			return t;
	}
	return -1;
}

static void what_will_be_is_told_before_it_is(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: forecast, metric: process_memory_mb, above: 2000, "
				     "forecast: {within: 60s, over: 20s}, for: 2s, warmup: 0}]");
	struct rules *r = rules_of(set, RULES_LIVE);
	double at;

	(void)state;
	assert_true(foreseen_at(r, 0, 2000) < 0); /* noise and a level are no way to a limit */
	rules_close(r);
	r = rules_of(set, RULES_LIVE);
	at = foreseen_at(r, 10, 200); /* full at second 200 */
	assert_true(at > 138 && at < 150);
	assert_int_equal(rules_limits(r, (struct rule_limit[RULE_LIMITS_MAX]){ { 0 } }), 0); /* nothing to draw */
	rules_close(r);
	ruleset_close(set);
}

static void what_is_unusual_is_told_once_and_rests(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: unusual, metric: token_latency_ms, unusual: {once_in: 20000}, "
				     "warmup: 0, cooldown: 60s}]");
	struct rules *r = rules_of(set, RULES_LIVE);
	int fired = 0;

	(void)state;
	for (int i = 0; i < 3000; i++)
		fired +=
			strchr(feed(r, i * 0.04, M_TOKEN_LATENCY_MS, 40 + sin(i * 1e4) + sin(i * 1234.5)), 'c') != NULL;
	assert_int_equal(fired, 0);
	assert_string_equal(feed(r, 120, M_TOKEN_LATENCY_MS, 80), "vfc");
	for (int i = 1; i < 300; i++) /* it comes again, within the cooldown */
		fired += !strcmp(feed(r, 120 + i * 0.04, M_TOKEN_LATENCY_MS, i % 50 ? 40 : 80), "vfc");
	assert_int_equal(fired, 0);
	assert_int_equal(set->rule[0].severity, SEVERITY_INFO);
	rules_close(r);
	ruleset_close(set);
}

/* Values of 38..42: a level of 44 is half their range outside, for as long as they do not count as seen. */
static void what_was_never_seen_lasts_until_it_has_been(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: unusual, metric: token_latency_ms, unusual: {beyond: 0.3}, "
				     "warmup: 0, for: 400ms}]");
	struct rules *r = rules_of(set, RULES_LIVE);
	int fired = -1, resolved = -1, i;

	(void)state;
	for (i = 0; i < 3000; i++) {
		const char *now = feed(r, i * 0.04, M_TOKEN_LATENCY_MS, i < 1000 ? 40 + 2 * sin(i * 1e4) : 44);

		if (strchr(now, 'c') && fired >= 0 && resolved < 0)
			resolved = i;
		if (strchr(now, 'c') && fired < 0)
			fired = i;
	}
	assert_in_range(fired, 1008, 1012);
	assert_in_range(resolved, 1064, 1400);
	rules_close(r);
	ruleset_close(set);
}

/* Looks at rows of so many seconds, so many a second. */
static int looks(struct pace *p, double from_s, double seconds, double a_second, int64_t look_us)
{
	int n = 0;

	for (int i = 0; i < seconds * a_second; i++)
		n += pace_looks(p, (int64_t)((from_s + i / a_second) * 1e6), look_us);
	return n;
}

static void the_pace_is_kept_at_any_speed(void **state)
{
	struct pace slow = { PACE_FRESH }, fast = slow, whole_seconds = slow;
	int n = 0;

	(void)state;
	assert_int_equal(looks(&slow, 1e9, 100, 50, PACE_LOOK_US), 5000); /* each row */
	n = looks(&fast, 1e9, 10, 20000, PACE_LOOK_US);
	assert_in_range(n, 500, 550); /* 50 a second, and what was saved up */
	assert_in_range(looks(&fast, 1e9 - 3600, 10, 20000, PACE_LOOK_US), 500, 501); /* the clock was set back */
	assert_in_range(looks(&fast, 1e9 + 3600, 10, 20000, PACE_LOOK_US), 500, 550);
	n = 0;
	for (int i = 0; i < 1000; i++)
		n += pace_looks(&whole_seconds, (int64_t)(1e15 + i / 50 * 1e6), PACE_LOOK_US) ? 1 : 1000000;
	assert_true(n < 2000); /* 50 in a second, all of the same time */
	fast = (struct pace){ PACE_FRESH };
	assert_in_range(looks(&fast, 1e9, 100, 2000, 3000000), 33, 35); /* a look may cost more than is saved up */
	assert_in_range(looks(&fast, 1e9 + 100, 10, 20000, PACE_LOOK_US), 400, 550);
	assert_in_range(looks(&fast, 1e9 + 110, 100, 2000, 3000000), 33, 35);
}

/* Six hundred sessions beside one of 20,000 records a second: a look costs twice as much, and a new level is seen all
 * the same; once they are silent, it costs what it did. */
static void many_sessions_share_what_looks_cost(void **state)
{
	enum { MANY = 600 };
	struct ruleset *set = set_of("rules: [{alarm: unusual, metric: token_latency_ms, unusual: {beyond: 0.3}, "
				     "warmup: 0, for: 400ms}]");
	struct rules *many[MANY], *r = rules_of(set, RULES_LIVE);
	struct rules_share share = { 0 };
	double fired = 0;

	(void)state;
	rules_share(r, &share);
	for (int k = 0; k < MANY; k++) {
		many[k] = rules_of(set, RULES_LIVE);
		rules_share(many[k], &share);
	}
	for (int i = 0; i < 600000 && fired == 0; i++) {
		for (int k = 0; k < MANY && i % 20000 == 0; k++)
			feed(many[k], i / 20000.0, M_TOKEN_LATENCY_MS, 40);
		if (strchr(feed(r, i / 20000.0, M_TOKEN_LATENCY_MS, i < 400000 ? 40 + 2 * sin(i * 1e4) : 44), 'f'))
			fired = i / 20000.0;
		if (i == 300000)
			assert_true(share.look_us > 35000 && share.look_us < 45000 && share.binds);
	}
	assert_true(fired > 20.39 && fired < 20.6);
	for (int i = 0; i < 300; i++)
		feed(r, 30 + i * 0.01, M_TOKEN_LATENCY_MS, 40);
	assert_int_equal(share.look_us, PACE_LOOK_US);
	for (int k = 0; k < MANY; k++)
		rules_close(many[k]);
	rules_close(r);
	ruleset_close(set);
}

/* 20,000 records a second: a new level is seen as well, and as soon as `for` allows. */
static void a_new_level_is_seen_at_any_speed(void **state)
{
	struct ruleset *set = set_of("rules: [{alarm: unusual, metric: token_latency_ms, unusual: {beyond: 0.3}, "
				     "warmup: 0, for: 400ms}]");
	struct rules *r = rules_of(set, RULES_LIVE);
	double fired = 0;

	(void)state;
	for (int i = 0; i < 600000 && fired == 0; i++)
		if (strchr(feed(r, i / 20000.0, M_TOKEN_LATENCY_MS, i < 400000 ? 40 + 2 * sin(i * 1e4) : 44), 'f'))
			fired = i / 20000.0;
	assert_true(fired > 20.39 && fired < 20.5);
	rules_close(r);
	ruleset_close(set);
}

/* 20,000 records a second, of which one in 401 has a metric, or is of another phase: a rule for these alone loses none
 * of them. */
static void a_pace_counts_what_its_rule_is_for(void **state)
{
	static const struct {
		const char *rules;
		bool always; /* every record has the metric */
	} of[] = {
		{ "rules: [{alarm: unusual, metric: quant_kl_nats, unusual: {beyond: 0.3}, warmup: 0, for: 400ms}]",
		  false },
		{ "rules: [{alarm: unusual, metric: chunk_process_time_ms, unusual: {beyond: 0.3}, warmup: 0, for: "
		  "400ms, phase: prefill}]",
		  true },
		{ "rules: [{alarm: unusual, metric: chunk_process_time_ms, unusual: {beyond: 0.3}, warmup: 0, for: "
		  "400ms, and: [{metric: quant_kl_nats, above: 0}]}]",
		  false },
	};

	(void)state;
	for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
		struct ruleset *set = set_of(of[k].rules);
		struct rules *r = rules_of(set, RULES_LIVE);
		double fired = 0;

		for (int i = 0; i < 600000 && fired == 0; i++) {
			struct record rec = { .time_us = (int64_t)i * 50,
					      .event = EVENT_INFERENCE_STEP,
					      .session = &nothing,
					      .phase = i % 401 ? PHASE_DECODE : PHASE_PREFILL };
			double value = i < 400000 ? 40 + 2 * sin(i * 1e4) : 44;
			struct rule_finding f[RULES_MAX];

			record_set(&rec, M_CHUNK_PROCESS_TIME_MS, i % 401 && of[k].always ? 7 : value);
			if (i % 401 == 0)
				record_set(&rec, M_QUANT_KL_NATS, value);
			if (rules_eval(r, &rec, f) && f[0].firing)
				fired = i / 20000.0;
		}
		assert_true(fired > 20.39 && fired < 20.5);
		rules_close(r);
		ruleset_close(set);
	}
}

static bool same_finding(const struct rule_finding *a, const struct rule_finding *b)
{
	return a->type == b->type && a->severity == b->severity && a->metric == b->metric &&
	       !strcmp(a->rule, b->rule) && a->summary == b->summary && a->action == b->action &&
	       a->value == b->value && (a->limit == b->limit || (isnan(a->limit) && isnan(b->limit)));
}

static int64_t apart_us = 700000; /* between the steps that are drawn */

/* A step, or now and then a session's start, drawn from a seed; some metrics are missing. */
static void draw_record(struct record *rec, struct field_values *session, unsigned i)
{
	static const double typical[] = { 0, 0.5, 1, 2, 8, 15, 50, 75, 90, 100, 200, 8000 };
	unsigned draw = i * 2654435761u;

	*session = (struct field_values){ 0 };
	*rec = (struct record){
		.time_us = i * apart_us, .event = EVENT_INFERENCE_STEP, .session = session, .sequence_length = i % 300
	};
	if (i % 500 == 499) {
		rec->event = EVENT_SESSION_START;
		fields_set_number(session, F_VOCAB_SIZE, i % 1000 == 999 ? 65536 : 256);
		fields_set_number(session, F_VRAM_TOTAL_MB, 9000);
		return;
	}
	for (int m = 0; m < METRIC_COUNT; m++) {
		draw = draw * 1664525 + 1013904223;
		if (draw >> 29)
			record_set(rec, (enum metric_id)m,
				   typical[(draw >> 16) % (sizeof typical / sizeof *typical)] *
					   (1 + (draw >> 12 & 3) / 8.0));
	}
}

enum { ROWS = 5000, AT_ONCE = 200 };

/* The record as a row: some steps hold decimals. */
static void add_row(struct columns *c, const struct record *rec, unsigned i)
{
	struct decoded d = { .rec = *rec, .session_id = slice_of("s"), .who = 1 };

	for (int m = 0; m < METRIC_COUNT && i % 1000 < 700; m++) {
		double scale = metric_specs[m].scale, whole = rint(rec->metric[m] * scale);

		if (!record_has(rec, (enum metric_id)m) || whole / scale != rec->metric[m])
			continue;
		d.scaled[m] = (int64_t)whole;
		d.decimal |= metric_bit((enum metric_id)m);
	}
	columns_add(c, &d);
}

/* Judges the rows at once and forgets them; what is violated is added to found. */
static size_t judge_all(struct rules *r, struct columns *c, struct rule_hits *hits, struct judge_room *room,
			struct rule_finding *found)
{
	struct judged_rows rows = { .c = c, .n = c->n, .held = columns_held(c, 0, c->n), .room = room };
	static const uint16_t run[AT_ONCE + 1];
	uint16_t in_order[AT_ONCE + 1];
	size_t n = 0;

	rows.one_phase = true;
	for (size_t row = 1; row < c->n; row++)
		rows.one_phase &= c->phase[row] == c->phase[0];
	rule_hits_begin(hits, c->n);
	if (c->n)
		rules_judge_rows(r, &rows, 0, hits);
	for (size_t row = 0; row < c->n; row++)
		in_order[row] = (uint16_t)row;
	if (rules_learn(r))
		rules_learn_rows(&(struct learned_rows){ .log = c,
							 .rows = c,
							 .times = judge_room_times(room),
							 .rules = &r,
							 .run = run,
							 .row = in_order,
							 .as = in_order,
							 .n = c->n,
							 .n_runs = 1 },
				 hits);
	else
		rules_pass(r, c->n);
	for (size_t row = 0; row < c->n; row++)
		n += rule_hits_at(hits, row, found + n);
	c->n = c->n_whole = 0;
	return n;
}

/* Of steps like draw_record's, with stretches of calm, which columns tell from the others. */
static void draw_calm_record(struct record *rec, struct field_values *session, unsigned i)
{
	static const enum phase phases[] = { PHASE_UNKNOWN, PHASE_DECODE, PHASE_PREFILL, PHASE_DECODE };
	unsigned draw = i / 40 * 2654435761u >> 28;

	draw_record(rec, session, i);
	if (rec->event != EVENT_INFERENCE_STEP)
		return;
	rec->phase = i / 700 % 2 ? phases[i * 2654435761u >> 30] : phases[i / 60 % 4];
	rec->token_count = rec->phase == PHASE_PREFILL ? 64 : 1;
	for (int m = 0; m < METRIC_COUNT; m++) {
		double usual = m == M_STATE_SIMILARITY ? 0.9
			       : m == M_LOGITS_ENTROPY ? 3
			       : m == M_THROUGHPUT_TPS ? 90
						       : 12;

		if (draw < 4)
			record_set(rec, (enum metric_id)m, usual * (1 + (i * 2654435761u >> 30) / 64.0));
		else if (draw < 8)
			rec->have &= ~metric_bit((enum metric_id)m);
		else if (draw < 12 && m % 4)
			record_set(rec, (enum metric_id)m, usual * (m % 4 == 1 ? 4 : 0.25));
	}
}

static const char with_windows[] =
	"replay: {over: 2, warmup: 3}\nrules: ["
	"{alarm: high_latency, metric: token_latency_ms, above: 75, over: 7, by: median}, "
	"{alarm: state_divergence, metric: state_similarity, below: 0.8, sudden: {deviations: 1, of: 16}, "
	"after_tokens: 9}, "
	"{alarm: high_gpu_utilization, metric: gpu_utilization_pct, sudden: {deviations: 3, of: 16}, over: 3, by: "
	"mean}, "
	"{alarm: abnormal_entropy, metric: logits_entropy, above: {of: state_similarity, times: 2}, over: 3, "
	"by: p90, and: [{metric: vram_used_mb, below: 50, over: 9, by: p90}]}, "
	"{alarm: slow_chunk, metric: chunk_process_time_ms, above: 5, over: 8, by: p90, "
	"and: [{metric: chunk_process_time_ms, below: 0.6, over: 8, by: spread}]}, "
	"{alarm: forecast, metric: process_memory_mb, above: 60, below: 5, forecast: {within: 9s, over: 11s}, for: "
	"1s}, "
	"{alarm: unusual, metric: chunk_process_time_ms, unusual: {once_in: 200}, and: [{metric: vram_used_mb, "
	"unusual: {once_in: 20}}]}, "
	"{alarm: unusual, name: one, metric: surprisal_nats, unusual: {once_in: 500}, phase: decode}, "
	"{alarm: unusual, name: far, metric: token_latency_ms, unusual: {beyond: 0.01}, and: [{metric: vram_used_mb, "
	"unusual: {once_in: 20}}]}, "
	"{alarm: high_vram_usage, metric: process_vram_mb, above: 50, and: [{metric: vram_used_mb, absent: yes}]}, "
	"{alarm: high_repetition, metric: token_repetition_pct, above: 15, missing: 20, over: 7, by: max}]";

struct many {
	struct columns *c;
	struct rule_hits hits;
	struct judge_room *room;
	struct rule_finding all[ROWS * RULES_MAX], some[ROWS * RULES_MAX];
	size_t n_all, n_some;
};

/* The same records in both ways; calm: with stretches of calm. */
static void judge_both_ways(struct many *m, const struct ruleset *set, bool calm)
{
	struct rules *whole = rules_of(set, RULES_REPLAY), *together = rules_of(set, RULES_REPLAY);
	struct field_values session;

	m->room = judge_room_open(set, RULES_REPLAY);
	assert_true(rules_in_steps(together));
	m->n_all = m->n_some = 0;
	for (unsigned i = 0; i < ROWS; i++) {
		struct rule_finding found[RULES_MAX];
		struct record rec;
		size_t n;

		if (calm)
			draw_calm_record(&rec, &session, i);
		else
			draw_record(&rec, &session, i);
		n = rules_eval(whole, &rec, found);
		for (size_t f = 0; f < n; f++)
			if (found[f].violated)
				m->all[m->n_all++] = found[f];
		if (rec.event == EVENT_INFERENCE_STEP)
			add_row(m->c, &rec, i);
		if (i == ROWS - 1 || rec.event != EVENT_INFERENCE_STEP || i % AT_ONCE == i / AT_ONCE % AT_ONCE)
			m->n_some += judge_all(together, m->c, &m->hits, m->room, m->some + m->n_some);
		if (rec.event != EVENT_INFERENCE_STEP)
			rules_eval(together, &rec, found);
	}
	rules_close(whole);
	rules_close(together);
	judge_room_close(m->room);
}

static void violations_of_many_rows_are_those_of_one_at_a_time(void **state)
{
	static const char *const shipped[] = { "baseline", "thresholds", "default" };
	struct many *m = calloc(1, sizeof *m);
	bool named[ALARM_TYPE_COUNT] = { 0 };
	size_t violated = 0, types = 0;

	(void)state;
	m->c = aligned_alloc(64, sizeof *m->c);
	m->c->n = m->c->n_whole = 0;
	for (int s = 0; s < 16; s++) { /* the later ones faster than forecasts and the unusual look */
		struct ruleset *set = s % 4 == 3 ? set_of(with_windows) : NULL;

		if (!set)
			assert_int_equal(ruleset_open(&set, shipped[s % 4], NULL), 0);
		apart_us = s < 8 ? 700000 : 3000;
		judge_both_ways(m, set, s / 4 % 2);
		assert_int_equal(m->n_some, m->n_all);
		for (size_t i = 0; i < m->n_all; i++) {
			assert_true(same_finding(&m->all[i], &m->some[i]));
			named[m->all[i].type] = true;
		}
		violated += m->n_all;
		ruleset_close(set);
	}
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		types += named[type];
	assert_true(violated > 1000);
	assert_true(types > 10);
	free(m->hits.hit);
	free(m->c);
	free(m);
}

/* One window for all conditions that look at the same values, as long as the longest of them. */
static void conditions_share_windows(void **state)
{
	struct ruleset *set = set_of(
		"rules: [{alarm: abnormal_entropy, metric: logits_entropy, above: 8, over: 100, by: mean, phase: "
		"decode}, "
		"{alarm: mode_collapse, kind: low_entropy, metric: logits_entropy, below: 1, over: 256, by: p90, "
		"phase: decode, and: [{metric: logits_entropy, above: 0.1, over: 30, by: median}]}, "
		"{alarm: abnormal_entropy, name: any, metric: logits_entropy, above: 9, over: 7, by: median}, "
		"{alarm: high_repetition, metric: logits_entropy, sudden: {of: 16}, phase: decode}]");
	const struct plan *plan = set->plan[RULES_LIVE];

	(void)state;
	assert_int_equal(plan->n_conditions, 5);
	assert_int_equal(plan->n_windows, 2);
	assert_int_equal(plan->window[0].span, 256);
	assert_int_equal(plan->window[1].span, 7);
	assert_int_equal(plan->doubles, 263);
	assert_int_equal(plan->condition[4].recent, 0);
	assert_int_equal(plan->condition[4].window, PLAN_NO_WINDOW);
	ruleset_close(set);
}

/* Of rows that repeat but for a cell: the record, from 0, at which the default rules fire; 1000: none. */
static int rows_fire_at(double share, double surprisal)
{
	struct field_values session = { 0 };
	struct record start = { .event = EVENT_SESSION_START, .session = &session };
	struct rule_finding f[RULES_MAX];
	struct ruleset *set;
	struct rules *r;
	int at = 1000;

	assert_int_equal(ruleset_open(&set, "default", NULL), 0);
	r = rules_of(set, RULES_LIVE);
	fields_set_number(&session, F_VOCAB_SIZE, 65536);
	rules_eval(r, &start, f);
	for (int i = 0; i < 400 && at == 1000; i++) {
		struct record rec = { .time_us = i * 10000,
				      .event = EVENT_INFERENCE_STEP,
				      .phase = PHASE_DECODE,
				      .session = &session,
				      .sequence_length = 1000 };

		record_set(&rec, M_REPEAT_SHARE_PCT, share);
		record_set(&rec, M_SURPRISAL_NATS, i % 12 ? 0.02 : surprisal); /* a cell of twelve tokens' rows */
		if (rules_eval(r, &rec, f) && f[0].firing)
			at = i;
	}
	rules_close(r);
	ruleset_close(set);
	return at;
}

/* A table's rows repeat, and what changes in them surprises; a loop that counts expects its numbers, too. */
static void rows_are_a_loop_when_nothing_in_them_is_new(void **state)
{
	(void)state;
	assert_int_equal(rows_fire_at(97, 0.3), 99);
	assert_int_equal(rows_fire_at(97, 2.8), 1000);
	assert_int_equal(rows_fire_at(92, 0.3), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alarm_fires_once_holds_and_resolves),
		cmocka_unit_test(for_wants_the_violation_to_last),
		cmocka_unit_test(warm_up_and_missing_data_never_fire),
		cmocka_unit_test(nonfinite_values_fire_at_once_and_resolve_when_gone),
		cmocka_unit_test(replayed_baseline_judges_windows),
		cmocka_unit_test(a_baseline_of_ones_own),
		cmocka_unit_test(a_small_vocabulary_brings_the_byte_overlay),
		cmocka_unit_test(relative_limits_follow_what_they_name),
		cmocka_unit_test(a_drop_is_sudden_only_against_the_recent_past),
		cmocka_unit_test(published_limits_are_the_same_everywhere),
		cmocka_unit_test(a_baseline_can_be_learned),
		cmocka_unit_test(a_condition_may_ask_for_absence),
		cmocka_unit_test(a_spread_has_no_unit),
		cmocka_unit_test(an_alarm_by_spread_has_no_unit),
		cmocka_unit_test(what_is_over_is_said_in_words),
		cmocka_unit_test(a_limit_may_follow_another_metric),
		cmocka_unit_test(a_change_may_be_sudden_in_both_directions),
		cmocka_unit_test(conditions_are_joined),
		cmocka_unit_test(a_collapse_says_where_it_began_and_what_it_cost),
		cmocka_unit_test(rules_read_anew_keep_what_is_on),
		cmocka_unit_test(what_is_unusual_is_told_once_and_rests),
		cmocka_unit_test(the_pace_is_kept_at_any_speed),
		cmocka_unit_test(a_pace_counts_what_its_rule_is_for),
		cmocka_unit_test(many_sessions_share_what_looks_cost),
		cmocka_unit_test(a_new_level_is_seen_at_any_speed),
		cmocka_unit_test(what_was_never_seen_lasts_until_it_has_been),
		cmocka_unit_test(what_will_be_is_told_before_it_is),
		cmocka_unit_test(violations_of_many_rows_are_those_of_one_at_a_time),
		cmocka_unit_test(conditions_share_windows),
		cmocka_unit_test(rows_are_a_loop_when_nothing_in_them_is_new),
		cmocka_unit_test(an_overlay_by_itself_is_for_its_models),
		cmocka_unit_test(bad_files_are_refused_with_place_and_advice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
