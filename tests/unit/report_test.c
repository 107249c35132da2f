/* Reports: 80 columns in both languages, nothing that steers a terminal, JSON with the published keys. */
#include "push.h"
#include "test.h"

#include "analyze/analyze.h"
#include "base/utf8.h"
#include "report/report.h"
#include "report/terminal.h"

#include <jansson.h>
#include <math.h>

enum trouble { FINE, TROUBLED, EMPTY, HOSTILE, KINDS };

/* Findings of every shape that reports must cope with. */
static struct findings make(enum trouble kind)
{
	static const char *files[] = { "/a/rather/long/path/of/directories/to/the/log/rwkv_monitor_20250911_123456.log",
				       "b.log" };
	struct input_stats in = { .files = files,
				  .n_files = kind == FINE ? 1 : 2,
				  .bytes = 123456789,
				  .lines = 1234567,
				  .records = 1234560,
				  .skipped_lines = kind == TROUBLED ? 24 : 0 };
	struct analyze_options opts = { 0 };
	struct ruleset *rules;
	struct analysis *a;
	struct findings f;

	assert_int_equal(ruleset_open(&rules, "tests/rules/single.yaml", NULL), 0);
	opts.rules = rules;
	assert_int_equal(analyze_open(&a, &opts, NULL), 0);
	for (; kind == TROUBLED && in.n_skipped < INPUT_SKIPPED_MAX; in.n_skipped++)
		in.skipped[in.n_skipped] = (struct skipped_line){ files[in.n_skipped % 2], in.n_skipped * 1000000007,
								  "a JSON object without a known event_type" };
	for (unsigned i = 0; kind != EMPTY && i < 700; i++) {
		static const char *const bad = "\x1b[31mred\x07\xff\xe2\x80\xae\xe4\xb8\xad</script>\"'\\";
		struct field_values session = { 0 }, extra = { 0 };
		struct record rec = { .event = EVENT_INFERENCE_STEP,
				      .time_us = 1757594096000000 + (int64_t)i * 1234567,
				      .session = &session,
				      .extra = &extra,
				      .token_count = i % 50 ? 1 : 100,
				      .phase = i % 50 ? PHASE_DECODE : PHASE_PREFILL };
		char id[30];

		snprintf(id, sizeof id, "rwkv-sess-%06x", i % 9);
		fields_set_text(&session, F_SESSION_ID, slice_of(kind == HOSTILE ? bad : id));
		fields_set_text(&session, F_MODEL_NAME, slice_of(kind == HOSTILE ? bad : "RWKV-x070-World-1.5B"));
		fields_set_text(&session, F_STRATEGY,
				slice_of("cuda fp16i8 *20 -> cuda fp16 *10 -> cpu fp32, and more of it"));
		for (int m = 0; m < METRIC_COUNT; m++) {
			double value = (double)(m + 1) * (20 + i % 13);

			if (kind == HOSTILE)
				value = i % 2 ? 1.5e300 : -1.5e-300;

			if (kind != FINE || m < M_NONFINITE_LOGITS)
				record_set(&rec, (enum metric_id)m, value);
		}
		if (kind == FINE) {
			record_set(&rec, M_TOKEN_REPETITION_PCT, 3);
			record_set(&rec, M_LOGITS_ENTROPY, 4);
			record_set(&rec, M_THROUGHPUT_TPS, 160);
		}
		record_set(&rec, M_STATE_SIMILARITY, 0.9 + 0.001 * (i % 31));
		if (kind == TROUBLED && i % 31 < 20)
			record_set(&rec, M_LOGITS_ENTROPY, 5 - 0.2 * (i % 31));
		if (kind == TROUBLED && i == 9) {
			rec.nonfinite = metric_bit(M_SURPRISAL_NATS);
			rec.have &= ~rec.nonfinite;
		}
		push_record(a, &rec);
	}
	assert_int_equal(analyze_finish(a, &in, &f, NULL), 0);
	analyze_close(a);
	ruleset_close(rules);
	return f;
}

static void every_line_fits(const char *text, size_t columns, const char *what)
{
	char line[2000];

	for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
		size_t n = (size_t)(end - text);

		assert_true(n < sizeof line);
		memcpy(line, text, n);
		line[n] = 0;
		if (utf8_columns(line) > columns || (n && line[n - 1] == ' '))
			fail_msg("%s: %zu columns: %s", what, utf8_columns(line), line);
	}
	assert_int_equal(*text, 0); /* ends with a line end */
}

static void text_fits_its_columns(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct findings f = make((enum trouble)kind);

		for (int k = 0; k < LANG_COUNT * 2 * 2; k++) {
			struct report_options o = { .lang = (enum lang)(k / 4),
						    .ascii = k & 1,
						    .columns = k & 2 ? 132 : 0 };
			bool ascii = o.ascii && o.lang == LANG_EN && kind != HOSTILE;
			struct buf b = { 0 };
			char what[80];

			report_text(&b, &f, &o);
			assert_false(b.failed);
			snprintf(what, sizeof what, "kind %d, %s, ascii %d", kind, lang_codes[o.lang], o.ascii);
			every_line_fits(b.p, o.columns ? o.columns : REPORT_COLUMNS, what);
			for (const char *p = b.p; *p; p++)
				if (((unsigned char)*p < 0x20 && *p != '\n') || (ascii && (unsigned char)*p > 0x7e))
					fail_msg("%s: byte %02x", what, (unsigned char)*p);
			buf_free(&b);
		}
		findings_free(&f);
	}
}

/* Rules reach the right margin exactly; so do the numbers of the metric table. */
static void tables_end_at_the_margin(void **state)
{
	struct findings f = make(TROUBLED);
	char line[2000];

	(void)state;
	for (int lang = 0; lang < LANG_COUNT; lang++) {
		struct report_options o = { .lang = (enum lang)lang };
		struct buf b = { 0 };
		int full = 0;

		report_text(&b, &f, &o);
		for (const char *p = b.p, *end; (end = strchr(p, '\n')); p = end + 1) {
			memcpy(line, p, (size_t)(end - p));
			line[end - p] = 0;
			full += utf8_columns(line) == REPORT_COLUMNS;
		}
		assert_true(full > 25);
		buf_free(&b);
	}
	findings_free(&f);
}

/* A wide terminal: names are whole, the metric table has more statistics, charts are longer; the narrow text has none
 * of this. */
static void wide_text_says_more(void **state)
{
	static const char name[] = "rwkv-sess-0123456789abcdef",
			  heads[] = "min    median       p90       p95       p99";
	struct findings f = make(TROUBLED);
	size_t whole[2] = { 0 };

	(void)state;
	for (size_t i = 0; i < f.n_sessions; i++)
		f.session[i].session_id = (char *)(uintptr_t)name;
	for (int wide = 0; wide < 2; wide++) {
		struct report_options o = { .columns = wide ? 120 : 0, .ascii = true };
		struct buf b = { 0 };

		report_text(&b, &f, &o);
		for (const char *p = b.p; (p = strstr(p, name)); p++)
			whole[wide]++;
		assert_int_equal(strstr(b.p, heads) != NULL, wide);
		assert_int_equal(strstr(b.p, "std dev") != NULL, wide);
		every_line_fits(b.p, wide ? 120 : REPORT_COLUMNS, wide ? "wide" : "narrow");
		buf_free(&b);
	}
	assert_true(whole[1] > whole[0]);
	findings_free(&f);
}

static void colour_only_adds_colour(void **state)
{
	struct findings f = make(TROUBLED);
	struct report_options plain = { 0 }, color = { .color = true };
	struct buf a = { 0 }, b = { 0 }, stripped = { 0 };

	(void)state;
	report_text(&a, &f, &plain);
	report_text(&b, &f, &color);
	for (const char *p = b.p; *p; p++) {
		if (*p == '\x1b')
			p = strchr(p, 'm');
		else
			buf_char(&stripped, *p);
	}
	assert_true(b.used > a.used);
	/* Blanks before a colour's end stay at the end of a line. */
	assert_true(stripped.used >= a.used && stripped.used < a.used + 200);
	buf_free(&a);
	buf_free(&b);
	buf_free(&stripped);
	findings_free(&f);
}

static json_t *json_of(const struct findings *f)
{
	struct report_options o = { 0 };
	struct buf b = { 0 };
	json_error_t error;
	json_t *json;

	report_json(&b, f, &o);
	assert_false(b.failed);
	assert_true(b.p[b.used - 1] == '\n');
	json = json_loadb(b.p, b.used, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		fail_msg("%s at %d", error.text, error.position);
	buf_free(&b);
	return json;
}

static void assert_keys(json_t *object, const char *const *keys)
{
	void *at = json_object_iter(object);

	for (; *keys; keys++, at = json_object_iter_next(object, at)) {
		assert_non_null(at);
		assert_string_equal(json_object_iter_key(at), *keys);
	}
}

#define KEYS(object, ...) assert_keys(object, (const char *const[]){ __VA_ARGS__, NULL })

static void json_has_the_published_keys_in_order(void **state)
{
	struct findings f = make(TROUBLED);
	json_t *j = json_of(&f), *first;

	(void)state;
	KEYS(j, "input", "span", "metrics", "sessions", "sessions_total", "anomalies", "verdict", "verdict_text");
	KEYS(json_object_get(j, "input"), "files", "bytes", "lines", "records", "skipped_lines", "skipped",
	     "missing_records", "doubled_records");
	KEYS(json_array_get(json_object_get(json_object_get(j, "input"), "skipped"), 0), "file", "line", "reason");
	KEYS(json_object_get(j, "span"), "from", "to");
	assert_int_equal(json_object_size(json_object_get(j, "metrics")), METRIC_COUNT);
	KEYS(json_object_get(json_object_get(j, "metrics"), "token_latency_ms"), "unit", "count", "missing",
	     "nonfinite", "min", "max", "mean", "stddev", "p50", "p90", "p95", "p99");
	first = json_array_get(json_object_get(j, "sessions"), 0);
	KEYS(first, "session_id", "model_name", "strategy", "records", "tokens", "from", "to", "metrics", "state");
	KEYS(json_object_get(first, "state"), "similarity_entropy_pearson", "collapse_warning");
	KEYS(json_object_get(j, "anomalies"), "records", "by_type", "events", "events_total");
	KEYS(json_array_get(json_object_get(json_object_get(j, "anomalies"), "events"), 0), "alarm_type", "session_id",
	     "from", "to", "records", "worst");
	assert_string_equal(json_string_value(json_object_get(j, "verdict")), "critical");
	json_decref(j);
	findings_free(&f);
}

static void json_of_nothing_is_null(void **state)
{
	struct findings f = make(EMPTY);
	json_t *j = json_of(&f);
	const char *id;
	json_t *metric;

	(void)state;
	json_object_foreach(json_object_get(j, "metrics"), id, metric) assert_true(json_is_null(metric));
	assert_true(json_is_null(json_object_get(json_object_get(j, "span"), "from")));
	assert_int_equal(json_array_size(json_object_get(j, "sessions")), 0);
	json_decref(j);
	findings_free(&f);
}

static void json_survives_hostile_text(void **state)
{
	struct findings f = make(HOSTILE);
	json_t *j = json_of(&f), *first = json_array_get(json_object_get(j, "sessions"), 0);
	const char *id = json_string_value(json_object_get(first, "session_id"));

	(void)state;
	assert_non_null(strstr(id, "red\x07\xef\xbf\xbd"));
	json_decref(j);
	findings_free(&f);
}

static void numbers_are_for_people(void **state)
{
	static const struct {
		double value;
		const char *want;
	} cases[] = {
		{ 0, "0" },
		{ 0.9071, "0.9071" },
		{ 26.58, "26.58" },
		{ 156.24, "156.2" },
		{ 1234.5, "1,234" },
		{ 99999, "99,999" },
		{ 123456, "123.5 k" },
		{ 1.5e6, "1.5 M" },
		{ -1234567, "-1.2 M" },
		{ -2500, "-2,500" },
		{ 0.000123, "0.000123" },
		{ 1e-9, "1.0e-09" },
		{ 9.9996, "10.00" },
		{ 1e300, "1.0e+285 P" },
	};
	char got[TERM_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(term_number(got, cases[i].value), cases[i].want);
	assert_string_equal(term_number(got, (double)NAN), "-");
	assert_string_equal(term_bytes(got, 1048576), "1 MiB");
	assert_string_equal(term_bytes(got, 1500), "1.5 KiB");
	assert_string_equal(term_lasted(got, 57800000), "57.8 s");
	assert_string_equal(term_lasted(got, 245000000), "4 min 5 s");
	assert_string_equal(term_lasted(got, 900000), "900 ms");
	assert_string_equal(term_share(got, 1, 100000), "<0.1 %");
	assert_string_equal(term_share(got, 99999, 100000), "99.9 %");
	assert_string_equal(term_share(got, 5, 5), "100 %");
}

/* A slope of 1 ms a second is told as such in a log of seconds, as 60 ms a minute in one of minutes; moments of a log
   of seconds have milliseconds. */
static void a_short_log_has_small_units(void **state)
{
	static const struct {
		int64_t span_us;
		const char *terminal, *page, *value;
		const char *moment; /* of the worst value in the terminal's list */
	} cases[] = {
		{ 20 * INT64_C(1000000), "rises 1 a second", "per second", ">1<", "12:35:10.814  " },
		{ 180 * INT64_C(1000000), "rises 60 a minute", "per minute", ">60<", "12:35:10  " },
		{ 7200 * INT64_C(1000000), "rises 3,600 an hour", "per hour", ">3,600<", "12:35:10  " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct findings f = make(FINE);
		struct report_options options = { .columns = 100 };
		struct buf text = { 0 }, page = { 0 };

		f.trend[M_TOKEN_LATENCY_MS] = (struct trend){ .start = 20,
							      .change = 10,
							      .slope_per_hour = 3600,
							      .low = 3500,
							      .high = 3700,
							      .significant = true };
		f.to_us = f.from_us + cases[i].span_us;
		report_text(&text, &f, &options);
		report_html(&page, &f, &options);
		assert_non_null(strstr(buf_text(&text), cases[i].terminal));
		assert_non_null(strstr(buf_text(&text), cases[i].moment));
		assert_non_null(strstr(buf_text(&page), cases[i].page));
		assert_non_null(strstr(buf_text(&page), cases[i].value));
		buf_free(&text);
		buf_free(&page);
		findings_free(&f);
	}
}

static void brackets_stay_with_what_they_enclose(void **state)
{
	struct buf out = { 0 };
	struct term t = term_begin(&out, &(struct report_options){ .lang = LANG_ZH });

	(void)state;
	t.columns = 20;
	term_wrap(&t, TINT_PLAIN, "字字字字字字字字字（95% 区间）字字字字？字", 0);
	assert_string_equal(buf_text(&out), "字字字字字字字字字\n（95% 区间）字字字\n字？字");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_fits_its_columns),
		cmocka_unit_test(tables_end_at_the_margin),
		cmocka_unit_test(wide_text_says_more),
		cmocka_unit_test(colour_only_adds_colour),
		cmocka_unit_test(json_has_the_published_keys_in_order),
		cmocka_unit_test(json_of_nothing_is_null),
		cmocka_unit_test(json_survives_hostile_text),
		cmocka_unit_test(numbers_are_for_people),
		cmocka_unit_test(a_short_log_has_small_units),
		cmocka_unit_test(brackets_stay_with_what_they_enclose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
