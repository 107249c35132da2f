/* The golden of the log format and of the analysis: one worked session, byte for byte.
 *
 * Made from synthetic calls at fixed times through the real observer, rules and encoder;
 * read back through the real reader and analysis. tests/logs/worked.log and
 * worked.analysis.json are what they must give. After a wanted change of the format:
 *     RWKVMON_UPDATE_GOLDEN=1 build/tests/worked_test */
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
};

static const int64_t START_US = 1757594096000000; /* 2025-09-11T12:34:56Z */

static void describe(struct field_values *s)
{
	fields_set_text(s, F_SESSION_ID, slice_of("rwkv-sess-8f4e2d"));
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
	n = rules_eval(w->rules, r, finding);
	record_encode(&w->log, r);
	for (size_t i = 0; i < n; i++) {
		struct field_values extra;
		struct record alarm;

		if (!finding[i].changed)
			continue;
		rules_alarm_record(&finding[i], r, LANG_EN, &alarm, &extra);
		record_encode(&w->log, &alarm);
	}
}

/* Entropy follows from `flat`: that many equally likely tokens. */
static void step(struct worked *w, size_t n_tokens, double call_ms, int flat, float turn)
{
	struct observed_tensor tensors[] = { { w->state, STATE / 4, VALUE_F32, PART_SHIFT },
					     { w->state + STATE / 4, 3 * STATE / 4, VALUE_F32, PART_WKV } };
	uint64_t end = w->now_ns + (uint64_t)(call_ms * 1e6);
	uint32_t tokens[64];
	struct observed_call call = { .begin_ns = w->now_ns, .end_ns = end, .tokens = tokens, .n_tokens = n_tokens,
				      .phase = n_tokens > 1 ? PHASE_PREFILL : PHASE_DECODE, .ends_prefill = n_tokens > 1,
				      .logits = w->logits, .n_logits = VOCAB, .state = tensors, .n_state = 2 };
	struct record r = { .event = EVENT_INFERENCE_STEP };

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

static void play(struct worked *w)
{
	struct field_values gap = { 0 }, totals = { 0 };

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
	observer_new_sequence(w->observer);
	w->now_ns += 5000000000u; /* the user thinks */
	step(w, 10, 20, 66, 1);
	step(w, 1, 5, 66, 0.99f);
	fields_set_number(&totals, F_TOTAL_RECORDS, 156);
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
		fail_msg("%s:%zu: differs from here: \"%.60s\", expected \"%.60s\"", path, line, got->p + (i < got->used ? i : 0),
			 want.p + (i < want.used ? i : 0));
	buf_free(&want);
}

static void the_worked_log_is_written_as_it_always_was(void **state)
{
	struct worked w = { .next = 1, .observer = observer_open(), .logits = calloc(VOCAB, sizeof(float)) };

	(void)state;
	describe(&w.session);
	assert_int_equal(ruleset_open(&w.set, "thresholds", NULL), 0);
	assert_int_equal(rules_open(&w.rules, w.set, RULES_LIVE, NULL), 0);
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
		analyze_push(a, &rec);
	assert_int_equal(analyze_finish(a, read_input(reader), &f, NULL), 0);
	report_json(&json, &f, &(struct report_options){ .lang = LANG_EN });
	is_golden(ANALYSIS, &json);
	buf_free(&json);
	findings_free(&f);
	read_close(reader);
	analyze_close(a);
	ruleset_close(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worked_log_is_written_as_it_always_was),
		cmocka_unit_test(its_analysis_is_what_it_always_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
