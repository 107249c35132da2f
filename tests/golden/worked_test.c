/* The golden of the log format and of the analysis: one worked session, byte for byte.
 *
 * Made from synthetic calls at fixed times through the real observer, rules and encoder;
 * read back through the real reader and analysis. tests/logs/worked.log and
 * worked.analysis.json are what they must give. After a wanted change of the format:
 *     RWKVMON_UPDATE_GOLDEN=1 build/tests/worked_test */
#include "push.h"
#include "test.h"

#include "analyze/analyze.h"
#include "base/file.h"
#include "observe/observe.h"
#include "read/read.h"
#include "record/codec.h"
#include "report/report.h"

#include <math.h>

#define LOG "tests/logs/worked.log"
#define ANALYSIS "tests/logs/worked.analysis.json"

enum { VOCAB = 65536, STATE = 512 };

struct worked {
	struct buf log;
	struct field_values session;
	struct observer *observer;
	struct ruleset *set;
	struct rules *rules;
	uint64_t now_ns; /* since the session began */
	float *logits, state[STATE];
	uint32_t next;
	uint64_t ordinal; /* of the latest line */
};

static const int64_t START_US = 1757594096000000; /* 2025-09-11T12:34:56Z */

static void describe(struct field_values *s)
{
	fields_set_text(s, F_SESSION_ID, slice_of("rwkv-sess-8f4e2d71c05b"));
	fields_set_text(s, F_INSTANCE, slice_of("workstation:4711"));
	fields_set_text(s, F_MODEL_NAME, slice_of("RWKV-x070-World-0.1B"));
	fields_set_text(s, F_STRATEGY, slice_of("cuda fp16"));
	fields_set_number(s, F_CHUNK_LEN, 64);
	fields_set_text(s, F_MODEL_VERSION, slice_of("7"));
	fields_set_number(s, F_N_LAYER, 12);
	fields_set_number(s, F_N_EMBD, 768);
	fields_set_number(s, F_VOCAB_SIZE, VOCAB);
	fields_set_number(s, F_MODEL_BYTES, 382069248);
	fields_set_number(s, F_VRAM_TOTAL_MB, 8192);
	fields_set_number(s, F_LOAD_TIME_MS, 812.5);
	fields_set_text(s, F_RUNTIME_NAME, slice_of("rwkv"));
	fields_set_text(s, F_RUNTIME_VERSION, slice_of("0.8.32"));
	fields_set_text(s, F_RUNTIME_FLAGS, slice_of("RWKV_V7_ON=1 RWKV_CUDA_ON=1"));
	fields_set_number(s, F_SAMPLER_TEMPERATURE, 1);
	fields_set_number(s, F_SAMPLER_TOP_P, 0.3);
	fields_set_text(s, F_HOST_CPU, slice_of("Some CPU"));
	fields_set_number(s, F_HOST_CORES, 8);
	fields_set_text(s, F_HOST_GPU, slice_of("Some GPU"));
	fields_set_text(s, F_RULES, slice_of("thresholds"));
	fields_set_text(s, F_TOOL_VERSION, slice_of("0.1.0"));
}

static void deliver(struct worked *w, struct record *r)
{
	struct rule_finding finding[RULES_MAX];
	size_t n;

	r->time_us = START_US + (int64_t)(w->now_ns / 1000);
	r->session = &w->session;
	r->ordinal = ++w->ordinal;
	n = rules_eval(w->rules, r, finding);
	record_encode(&w->log, r);
	for (size_t i = 0; i < n; i++) {
		struct field_values extra;
		struct record alarm;
		struct buf words = { 0 };

		if (!finding[i].changed)
			continue;
		rules_alarm_record(&finding[i], r, LANG_EN, &alarm, &extra, &words);
		alarm.ordinal = ++w->ordinal;
		record_encode(&w->log, &alarm);
		buf_free(&words);
	}
}

/* Entropy follows from `flat`: that many equally likely tokens. */
static void step(struct worked *w, size_t n_tokens, double call_ms, int flat, float turn)
{
	struct observed_tensor tensors[] = { { w->state, STATE / 4, VALUE_F32, PART_SHIFT },
					     { w->state + STATE / 4, 3 * STATE / 4, VALUE_F32, PART_WKV } };
	uint64_t end = w->now_ns + (uint64_t)(call_ms * 1e6);
	uint32_t tokens[64];
	struct observed_call call = { .begin_ns = w->now_ns,
				      .end_ns = end,
				      .tokens = tokens,
				      .n_tokens = n_tokens,
				      .phase = n_tokens > 1 ? PHASE_PREFILL : PHASE_DECODE,
				      .ends_prefill = n_tokens > 1,
				      .logits = w->logits,
				      .n_logits = VOCAB,
				      .state = tensors,
				      .n_state = 2 };
	struct record r = { .event = EVENT_INFERENCE_STEP, .batch_size = w->now_ns > 5000000000u ? 2 : 1 };

	for (size_t i = 0; i < n_tokens; i++)
		tokens[i] = w->next = (w->next * 1103515245u + 12345u) % VOCAB;
	for (int i = 0; i < VOCAB; i++)
		w->logits[i] = i < flat ? 0 : -200;
	for (int i = 0; i < STATE; i++)
		w->state[i] = (i % 2 ? 1.0f : turn) * (1 + (float)(i % 7));
	observer_call(w->observer, &call, &r);
	record_set(&r, M_VRAM_USED_MB, 2457.25);
	record_set(&r, M_GPU_UTILIZATION_PCT, 78);
	w->now_ns = end;
	deliver(w, &r);
	w->now_ns += 500000; /* sampling and printing */
}

static void event(struct worked *w, enum event_type type, const struct field_values *extra)
{
	struct record r = { .event = type, .extra = extra };

	deliver(w, &r);
}

static void describe_action(struct field_values *v)
{
	fields_set_text(v, F_ALARM_TYPE, slice_of("abnormal_entropy"));
	fields_set_text(v, F_RULE, slice_of("abnormal_entropy_low"));
	fields_set_text(v, F_ACTION, slice_of("set_sampling"));
	fields_set_text(v, F_REASON, slice_of("the model is far too sure"));
	fields_set_number(v, F_BEFORE_TEMPERATURE, 1);
	fields_set_number(v, F_AFTER_TEMPERATURE, 1.2);
	fields_set_number(v, F_ATTEMPT, 1);
}

static void describe_rollup(struct field_values *v)
{
	fields_set_text(v, F_ROLLUP_ID, slice_of("workstation:4711/rwkv-sess-8f4e2d71c05b/2025-09-11T12:34"));
	fields_set_text(v, F_ROLLUP_SCOPE, slice_of("stream"));
	fields_set_number(v, F_ROLLUP_SECONDS, 7.5);
	fields_set_number(v, F_ROLLUP_STREAMS, 1);
	fields_set_number(v, F_ROLLUP_RECORDS, 156);
	fields_set_number(v, F_ROLLUP_TOKENS, 228);
	fields_set_number(v, F_ROLLUP_DROPPED, 3);
	fields_set_number(v, F_ROLLUP_ALARMS, 1);
	fields_set_text(v, F_ROLLUP_METRICS,
			slice_of("{\"token_latency_ms\":{\"count\":156,\"sum\":1693.1,\"min\":2.817,\"max\":91}}"));
}

static void play(struct worked *w)
{
	struct field_values gap = { 0 }, action = { 0 }, rollup = { 0 }, totals = { 0 };

	event(w, EVENT_SESSION_START, NULL);
	step(w, 64, 180.3, 66, 1);
	for (int i = 0; i < 60; i++)
		step(w, 1, 5 + 0.1 * (i % 5), 60 + i % 20, 0.98f);
	for (int i = 0; i < 12; i++) /* something else takes the GPU for a while */
		step(w, 1, 80 + i, 60, 0.97f);
	for (int i = 0; i < 80; i++)
		step(w, 1, 5, i < 40 ? 60 : 2, 0.98f); /* the model becomes far too sure */
	w->logits[5] = 0;
	step(w, 1, 5, 60, -1); /* the state jumps */
	fields_set_number(&gap, F_DROPPED, 3);
	fields_set_text(&gap, F_REASON, slice_of("ring full"));
	event(w, EVENT_GAP, &gap);
	w->ordinal += 3;
	describe_action(&action);
	event(w, EVENT_ACTION, &action);
	observer_new_sequence(w->observer);
	w->now_ns += 5000000000u; /* the user thinks */
	step(w, 10, 20, 66, 1);
	step(w, 1, 5, 66, 0.99f);
	describe_rollup(&rollup);
	event(w, EVENT_ROLLUP, &rollup);
	fields_set_number(&totals, F_TOTAL_RECORDS, 159);
	fields_set_number(&totals, F_TOTAL_TOKENS, 228);
	fields_set_number(&totals, F_TOTAL_DROPPED, 3);
	fields_set_number(&totals, F_TOTAL_SECONDS, 7.5);
	fields_set_number(&totals, F_TOTAL_OVERHEAD, 0.0021);
	fields_set_number(&totals, F_TOTAL_HIGH_LATENCY, 1);
	event(w, EVENT_SESSION_END, &totals);
}

static void is_golden(const char *path, const struct buf *got)
{
	struct buf want = { 0 };
	struct err err;
	size_t i = 0, line = 1;

	if (getenv("RWKVMON_UPDATE_GOLDEN") && file_write(path, buf_slice(got), &err))
		fail_msg("%s", err.text);
	if (file_read(&want, path, 1 << 24, &err))
		fail_msg("%s", err.text);
	while (i < want.used && i < got->used && want.p[i] == got->p[i])
		line += want.p[i++] == '\n';
	if (i != want.used || i != got->used)
		fail_msg("%s:%zu: differs from here: \"%.60s\", expected \"%.60s\"", path, line,
			 got->p + (i < got->used ? i : 0), want.p + (i < want.used ? i : 0));
	buf_free(&want);
}

static void the_worked_log_is_written_as_it_always_was(void **state)
{
	struct worked w = { .next = 1, .observer = observer_open(NULL), .logits = calloc(VOCAB, sizeof(float)) };

	(void)state;
	describe(&w.session);
	assert_int_equal(ruleset_open(&w.set, "thresholds", NULL), 0);
	assert_int_equal(rules_open(&w.rules, w.set, RULES_LIVE, NULL, NULL), 0);
	play(&w);
	is_golden(LOG, &w.log);
	assert_non_null(strstr(w.log.p, "\"event_type\":\"alarm\",\"alarm_type\":\"high_latency\""));
	assert_non_null(strstr(w.log.p, "\"event_type\":\"alarm_resolved\",\"alarm_type\":\"high_latency\""));
	buf_free(&w.log);
	rules_close(w.rules);
	ruleset_close(w.set);
	observer_close(w.observer);
	free(w.logits);
}

static void its_analysis_is_what_it_always_was(void **state)
{
	const char *paths[] = { LOG };
	struct ruleset *set;
	struct analysis *a;
	struct reader *reader;
	struct findings f = { 0 };
	struct record rec;
	struct buf json = { 0 };

	(void)state;
	assert_int_equal(ruleset_open(&set, "baseline", NULL), 0);
	assert_int_equal(analyze_open(&a, &(struct analyze_options){ .rules = set }, NULL), 0);
	assert_int_equal(read_open(&reader, paths, 1, NULL, NULL), 0);
	while (read_next(reader, &rec, NULL) > 0)
		push_record(a, &rec);
	assert_int_equal(analyze_finish(a, read_input(reader), &f, NULL), 0);
	report_json(&json, &f, &(struct report_options){ .lang = LANG_EN });
	is_golden(ANALYSIS, &json);
	buf_free(&json);
	findings_free(&f);
	read_close(reader);
	analyze_close(a);
	ruleset_close(set);
}

/* Logs from before lines had a number, an instance each and longer ids: readers take them for ever. */
static void a_log_of_before_is_read_as_it_always_was(void **state)
{
	const char *before_path[] = { "tests/logs/unnumbered.log" }, *path[] = { LOG };
	struct reader *before, *now;
	struct record a, b;
	size_t steps = 0;

	(void)state;
	assert_int_equal(read_open(&before, before_path, 1, NULL, NULL), 0);
	assert_int_equal(read_open(&now, path, 1, NULL, NULL), 0);
	while (read_next(before, &a, NULL) > 0) {
		do
			assert_int_equal(read_next(now, &b, NULL), 1);
		while (b.event == EVENT_ACTION || b.event == EVENT_ROLLUP);
		assert_true(a.event == b.event && a.time_us == b.time_us && a.have == b.have);
		assert_true(a.sequence_length == b.sequence_length && a.token_count == b.token_count);
		assert_true(!a.ordinal && b.ordinal);
		for (int m = 0; m < METRIC_COUNT; m++)
			assert_true(!record_has(&a, (enum metric_id)m) || a.metric[m] == b.metric[m]);
		steps += a.event == EVENT_INFERENCE_STEP;
	}
	assert_int_equal(steps, 156);
	read_close(before);
	read_close(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worked_log_is_written_as_it_always_was),
		cmocka_unit_test(its_analysis_is_what_it_always_was),
		cmocka_unit_test(a_log_of_before_is_read_as_it_always_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
