/* Mapping files: how other programs' lines are read through them, and how bad ones are refused. */
#include "test.h"

#include "read/mapping.h"

#include <math.h>

static struct mapping *mapping_of(const char *text)
{
	struct mapping *m;
	struct err err;

	if (mapping_parse(&m, slice_of(text), "m.yaml", &err))
		fail_msg("%s", err.text);
	return m;
}

/* The line as a record; what it points to lives in d. */
static enum decode_result decode(struct record_decoder *d, const struct mapping *m, const char *line,
				 struct record *out)
{
	d->map = mapping_fields(m);
	return record_decode(d, slice_of(line), out);
}

static void values_are_found_and_become_ours(void **state)
{
	struct mapping *m = mapping_of("timestamp: { path: t.at, format: epoch_ms }\n"
				       "session_id: who\n"
				       "strategy: { value: cuda fp16 }\n"
				       "token_count: { value: 7 }\n"
				       "phase: { path: stage, words: { prompt: prefill, go on: decode } }\n"
				       "token_latency_ms: { path: request.seconds, scale: 1000 }\n"
				       "vram_used_mb: { path: request.bytes, scale: 9.5367431640625e-07 }\n"
				       "gpu_utilization_pct: { path: gpu, scale: 1e2 }\n"
				       "logits_entropy: a.b.c\n");
	struct record_decoder d = { 0 };
	struct record r;

	(void)state;
	assert_int_equal(
		decode(&d, m,
		       "{\"who\":\"me\",\"t\":{\"at\":1757594096789},\"stage\":\"go "
		       "on\",\"request\":{\"seconds\":0.0325,"
		       "\"bytes\":1048576,\"other\":1},\"gpu\":\"0.78\",\"a\":{\"b.c\":4.25},\"token_latency_ms\":99}",
		       &r),
		DECODE_OK);
	assert_true(r.time_us == INT64_C(1757594096789000));
	assert_int_equal(r.event, EVENT_INFERENCE_STEP);
	assert_int_equal(r.phase, PHASE_DECODE);
	assert_int_equal(r.token_count, 7);
	assert_true(slice_is(fields_text(r.session, F_SESSION_ID), "me"));
	assert_true(slice_is(fields_text(r.session, F_STRATEGY), "cuda fp16"));
	assert_true(r.metric[M_TOKEN_LATENCY_MS] == 32.5);
	assert_true(r.metric[M_VRAM_USED_MB] == 1);
	assert_true(r.metric[M_GPU_UTILIZATION_PCT] == 78);
	assert_true(r.metric[M_LOGITS_ENTROPY] == 4.25);
	assert_int_equal(
		decode(&d, m,
		       "{\"t.at\":\"1757594096790\",\"request\":{\"seconds\":1e-2},\"stage\":\"x\",\"gpu\":null}", &r),
		DECODE_OK);
	assert_true(r.time_us == INT64_C(1757594096790000) && r.metric[M_TOKEN_LATENCY_MS] == 10);
	assert_true(r.phase == PHASE_UNKNOWN && !record_has(&r, M_GPU_UTILIZATION_PCT) &&
		    !record_has(&r, M_LOGITS_ENTROPY));
	assert_int_equal(decode(&d, m, "{\"request\":{\"seconds\":1}}", &r), DECODE_BAD_TIMESTAMP);
	record_decoder_free(&d);
	mapping_close(m);
}

static void times_come_in_many_forms(void **state)
{
	static const struct {
		const char *format, *value;
		int64_t us; /* -1: not readable */
	} cases[] = {
		{ "iso", "\"2025-09-11T12:34:56.789Z\"", INT64_C(1757594096789000) },
		{ "iso", "1757594096789", -1 },
		{ "epoch_s", "1757594096", INT64_C(1757594096000000) },
		{ "epoch_s", "1757594096.789012", INT64_C(1757594096789012) },
		{ "epoch_s", "1.757594096789e9", INT64_C(1757594096789000) },
		{ "epoch_s", "\"1757594096.5\"", INT64_C(1757594096500000) },
		{ "epoch_s", "-1", -1 },
		{ "epoch_s", "1e300", -1 },
		{ "epoch_s", "NaN", -1 },
		{ "epoch_ms", "1757594096789.25", INT64_C(1757594096789250) },
		{ "epoch_us", "1757594096789012", INT64_C(1757594096789012) },
		{ "epoch_ns", "1757594096789012345", INT64_C(1757594096789012) },
		{ "epoch_ns", "17575940967890123456789", -1 },
		{ "epoch_ms", "\"soon\"", -1 },
		{ "epoch_ms", "{}", -1 },
	};
	struct record_decoder d = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[200], line[200];
		struct mapping *m;
		struct record r;
		enum decode_result got;

		snprintf(text, sizeof text, "timestamp: { path: t, format: %s }\nlogits_entropy: e", cases[i].format);
		snprintf(line, sizeof line, "{\"e\":1,\"t\":%s}", cases[i].value);
		m = mapping_of(text);
		got = decode(&d, m, line, &r);
		if (got != (cases[i].us < 0 ? DECODE_BAD_TIMESTAMP : DECODE_OK) ||
		    (cases[i].us >= 0 && r.time_us != cases[i].us))
			fail_msg("%s %s: %d, %lld", cases[i].format, cases[i].value, got, (long long)r.time_us);
		mapping_close(m);
	}
	record_decoder_free(&d);
}

static void event_types_may_be_called_otherwise(void **state)
{
	struct mapping *m = mapping_of("timestamp: t\nevent_type: { path: msg, words: { done: inference_step, lost: "
				       "gap } }\nlogits_entropy: e");
	struct record_decoder d = { 0 };
	struct record r;

	(void)state;
	assert_int_equal(decode(&d, m, "{\"t\":\"2025-09-11T12:34:56Z\",\"msg\":\"done\",\"e\":1}", &r), DECODE_OK);
	assert_int_equal(r.event, EVENT_INFERENCE_STEP);
	assert_int_equal(decode(&d, m, "{\"t\":\"2025-09-11T12:34:56Z\",\"msg\":\"lost\"}", &r), DECODE_OK);
	assert_int_equal(r.event, EVENT_GAP);
	assert_int_equal(decode(&d, m, "{\"t\":\"2025-09-11T12:34:56Z\",\"msg\":\"inference_step\"}", &r),
			 DECODE_NO_EVENT_TYPE);
	assert_int_equal(decode(&d, m, "{\"t\":\"2025-09-11T12:34:56Z\",\"e\":1}", &r), DECODE_NO_EVENT_TYPE);
	record_decoder_free(&d);
	mapping_close(m);
}

static void bad_files_are_refused_with_place_and_advice(void **state)
{
	static const struct {
		const char *text, *where, *says, *hint;
	} cases[] = {
		{ "", "m.yaml", "empty", NULL },
		{ "timestamp: [\n", "m.yaml:2:1", "no YAML", NULL },
		{ "- a\n- b", "m.yaml:1:1", "expected a mapping", NULL },
		{ "timestmap: t\n", "m.yaml:1:1", "found \"timestmap\"", "\"timestamp\"" },
		{ "timestamp: t\ntoken_latency: x", "m.yaml:2:1", "found \"token_latency\"", "\"token_latency_ms\"" },
		{ "timestamp: { path: t, formt: iso }", "m.yaml:1:23", "found \"formt\"", "\"format\"" },
		{ "timestamp: { path: t, format: epoch-ms }", "m.yaml:1:31", "found \"epoch-ms\"", "\"epoch_ms\"" },
		{ "timestamp: [t]", "m.yaml:1:12", "found a list", NULL },
		{ "timestamp: { format: iso }", "m.yaml:1:12", "either `path`", NULL },
		{ "session_id: { path: a, value: b }", "m.yaml:1:13", "either `path`", NULL },
		{ "session_id: { path: a, scale: 2 }", "m.yaml:1:31", "`scale` goes with numbers", NULL },
		{ "session_id: { path: a, format: iso }", "m.yaml:1:32", "`format` goes with timestamp", NULL },
		{ "session_id: { path: a, words: { a: b } }", "m.yaml:1:31", "`words` goes with", NULL },
		{ "phase: { path: a, words: { a: prefil } }", "m.yaml:1:31", "found \"prefil\"", "\"prefill\"" },
		{ "phase: { path: a, words: x }", "m.yaml:1:26", "a mapping of their words", NULL },
		{ "logits_entropy: { value: 1 }", "m.yaml:1:26", "cannot be the same", NULL },
		{ "token_count: { value: 1.5 }", "m.yaml:1:23", "a whole number", NULL },
		{ "logits_entropy: { path: e, scale: 0 }", "m.yaml:1:35", "a number that turns", NULL },
		{ "logits_entropy: { path: e, scale: x }", "m.yaml:1:35", "a number that turns", NULL },
		{ "logits_entropy: e\ntoken_latency_ms: e", "m.yaml:2:19", "used twice", NULL },
		{ "logits_entropy: e\ntoken_latency_ms: e.x", "m.yaml:2:19", "used twice, or leads", NULL },
		{ "logits_entropy: e.x\ntoken_latency_ms: e", "m.yaml:2:19", "used twice, or leads", NULL },
		{ "logits_entropy: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "m.yaml:1:17", "longer than 63", NULL },
		{ "timestamp: t\nlogits_entropy: e\ntimestamp: u", "m.yaml:3:1", "\"timestamp\" a second time", NULL },
		{ "logits_entropy: { path: e, scale: 2, scale: 3 }", "m.yaml:1:38", "\"scale\" a second time", NULL },
		{ "phase: { path: e, words: { a: decode, a: prefill } }", "m.yaml:1:39", "\"a\" a second time", NULL },
		{ "logits_entropy: e", "m.yaml:1:1", "`timestamp`", NULL },
		{ "timestamp: t", "m.yaml:1:1", "expected a metric", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct mapping *m;
		struct err err = { 0 };

		assert_true(mapping_parse(&m, slice_of(cases[i].text), "m.yaml", &err) < 0);
		assert_null(m);
		assert_int_equal(err_exit_code(err.code), 2);
		if (!strstr(err.text, cases[i].where) || !strstr(err.text, cases[i].says) ||
		    (cases[i].hint && !strstr(err.hint, cases[i].hint)))
			fail_msg("%s\nrefused with: %s (%s)", cases[i].text, err.text, err.hint);
	}
}

static void paths_that_gave_no_value_are_named(void **state)
{
	struct mapping *m = mapping_of("timestamp: t\n"
				       "logits_entropy: e\n"
				       "token_latency_ms: gone\n"
				       "vram_used_mb: v\n"
				       "phase: { path: stage, words: { generate: decode } }\n"
				       "session_id: { value: a }\n");
	static const struct unread_path expected[] = { { "token_latency_ms", "gone", false },
						       { "vram_used_mb", "v", true },
						       { "phase", "stage", true } };
	struct record_decoder d = { 0 };
	struct unread_path unread;
	struct record r;
	size_t at = 0, n = 0;

	(void)state;
	assert_false(mapping_next_unread(m, &at, &unread)); /* nothing was read */
	assert_int_equal(
		decode(&d, m, "{\"t\":\"2025-09-11T12:34:56Z\",\"stage\":\"gen\",\"e\":\"1.5\",\"v\":\"much\"}", &r),
		DECODE_OK);
	for (at = 0; mapping_next_unread(m, &at, &unread); n++) {
		assert_string_equal(unread.name, expected[n].name);
		assert_string_equal(unread.path, expected[n].path);
		assert_int_equal(unread.found, expected[n].found);
	}
	assert_int_equal(n, 3);
	decode(&d, m, "{\"t\":\"2025-09-11T12:34:56Z\",\"stage\":\"generate\",\"gone\":1,\"v\":2}", &r);
	at = 0;
	assert_false(mapping_next_unread(m, &at, &unread));
	record_decoder_free(&d);
	mapping_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found_and_become_ours),
		cmocka_unit_test(times_come_in_many_forms),
		cmocka_unit_test(event_types_may_be_called_otherwise),
		cmocka_unit_test(paths_that_gave_no_value_are_named),
		cmocka_unit_test(bad_files_are_refused_with_place_and_advice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
