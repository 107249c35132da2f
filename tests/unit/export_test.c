/* Records in, exposition out: every number against a computation of the test's own, both
 * formats against stored texts, labels that mean harm. */
#include "test.h"

#include "base/file.h"
#include "export/address.h"
#include "export/snapshot.h"

#include <math.h>
#include <pthread.h>

static int64_t now_us;

static uint64_t fake_mono(void *ctx)
{
	(void)ctx;
	return (uint64_t)now_us * 1000;
}

static int64_t fake_wall(void *ctx)
{
	(void)ctx;
	return now_us;
}

static const struct clock fake = { fake_mono, fake_wall, NULL };

static const int64_t START_US = INT64_C(1757594096000000);

/* --- making records ------------------------------------------------------------------- */

static struct field_values session_of(const char *id, const char *model, const char *backend)
{
	struct field_values v = { 0 };

	fields_set_text(&v, F_SESSION_ID, slice_of(id));
	fields_set_text(&v, F_MODEL_NAME, slice_of(model));
	fields_set_text(&v, F_STRATEGY, slice_of("cuda fp16i8"));
	fields_set_text(&v, F_MODEL_VERSION, slice_of("7"));
	fields_set_text(&v, F_RUNTIME_NAME, slice_of(backend));
	fields_set_number(&v, F_VOCAB_SIZE, 65536);
	fields_set_number(&v, F_VRAM_TOTAL_MB, 8192);
	return v;
}

static struct record event_of(const struct field_values *session, enum event_type event)
{
	return (struct record){ .time_us = now_us, .event = event, .session = session };
}

static struct record step_of(const struct field_values *session, enum phase phase, uint32_t tokens, double ms)
{
	struct record r = event_of(session, EVENT_INFERENCE_STEP);

	r.phase = phase;
	r.token_count = tokens;
	record_set(&r, M_TOKEN_LATENCY_MS, ms / tokens);
	record_set(&r, M_CHUNK_PROCESS_TIME_MS, ms);
	return r;
}

static void alarm_of(struct exporter *e, const struct field_values *session, const char *type, const char *rule,
		     bool on)
{
	struct field_values extra = { 0 };
	struct record r = event_of(session, on ? EVENT_ALARM : EVENT_ALARM_RESOLVED);

	fields_set_text(&extra, F_ALARM_TYPE, slice_of(type));
	fields_set_text(&extra, F_RULE, slice_of(rule));
	r.extra = &extra;
	exporter_take(e, &r);
}

static void action_of(struct exporter *e, const struct field_values *session, const char *action)
{
	struct field_values extra = { 0 };
	struct record r = event_of(session, EVENT_ACTION);

	fields_set_text(&extra, F_ACTION, slice_of(action));
	r.extra = &extra;
	exporter_take(e, &r);
}

static struct exporter *open_exporter(bool by_instance, int64_t silent_us)
{
	const struct exporter_options opts = { .clock = &fake, .by_instance = by_instance, .silent_us = silent_us };

	now_us = START_US;
	return exporter_open(&opts);
}

/* A session as it goes: start, a prompt of 5 tokens in 40 ms, ten tokens of 4 ms. */
static void speak(struct exporter *e, const struct field_values *session, uint32_t sequence)
{
	struct record r = step_of(session, PHASE_PREFILL, 5, 40);

	now_us += 40000;
	r.time_us = now_us;
	r.sequence = sequence;
	record_set(&r, M_TIME_TO_FIRST_TOKEN_MS, 40);
	exporter_take(e, &r);
	for (int i = 0; i < 10; i++) {
		now_us += 5000;
		r = step_of(session, PHASE_DECODE, 1, 4);
		r.sequence = sequence;
		record_set(&r, M_LOGITS_ENTROPY, i < 5 ? 2.0 : 4.0);
		record_set(&r, M_STATE_SIMILARITY, 0.93);
		record_set(&r, M_STATE_SIZE_BYTES, 1048576);
		record_set(&r, M_VRAM_USED_MB, 2048);
		record_set(&r, M_TOKEN_REPETITION_PCT, 8.3);
		exporter_take(e, &r);
	}
}

static struct buf text_of(struct exporter *e, enum exposition format)
{
	struct buf out = { 0 };

	exporter_write(e, format, &out);
	assert_false(out.failed);
	return out;
}

/* The value of the sample that stands exactly so in the text; NAN: there is none. */
static double sample(struct exporter *e, const char *name)
{
	struct buf text = text_of(e, EXPOSITION_TEXT);
	size_t n = strlen(name);
	double value = NAN;

	for (const char *line = text.p; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, n) && line[n] == ' ')
			value = strtod(line + n, NULL);
	buf_free(&text);
	return value;
}

#define ML "{model=\"m\",backend=\"b\"}"
#define ML_(more) "{model=\"m\",backend=\"b\"," more "}"

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

/* --- tests ---------------------------------------------------------------------------- */

static void every_number_is_right(void **state)
{
	struct exporter *e = open_exporter(false, 0);
	const struct field_values session = session_of("rwkv-sess-000001", "m", "b");
	struct record start = event_of(&session, EVENT_SESSION_START), end;

	(void)state;
	exporter_take(e, &start);
	assert_true(sample(e, "rwkv_tokens_total" ML_("phase=\"decode\"")) == 0); /* known series start at 0 */
	assert_true(sample(e, "rwkv_state_cosine_distance_count" ML) == 0);
	assert_true(isnan(
		sample(e, "rwkv_gpu_memory_used_bytes" ML_("gpu=\"0\",scope=\"device\"")))); /* unknown is absent */
	assert_true(isnan(sample(e, "rwkv_logits_entropy" ML)));
	speak(e, &session, 0);
	assert_true(sample(e, "rwkv_tokens_total" ML_("phase=\"prefill\"")) == 5);
	assert_true(sample(e, "rwkv_tokens_total" ML_("phase=\"decode\"")) == 10);
	assert_true(sample(e, "rwkv_token_total" ML) == 10);
	assert_true(sample(e, "rwkv_token_duration_seconds_count" ML) == 10);
	assert_true(near(sample(e, "rwkv_token_duration_seconds_sum" ML), 0.04));
	assert_true(sample(e, "rwkv_token_duration_seconds_bucket" ML_("le=\"0.002\"")) == 0);
	assert_true(sample(e, "rwkv_token_duration_seconds_bucket" ML_("le=\"0.005\"")) == 10);
	assert_true(sample(e, "rwkv_token_duration_seconds_bucket" ML_("le=\"+Inf\"")) == 10);
	assert_true(sample(e, "rwkv_prefill_chunk_duration_seconds_count" ML) == 1);
	assert_true(near(sample(e, "rwkv_time_to_first_token_seconds_sum" ML), 0.04));
	assert_true(sample(e, "rwkv_logits_entropy_nats_bucket" ML_("le=\"2.0\"")) == 5);
	assert_true(near(sample(e, "rwkv_logits_entropy" ML), 3));
	assert_true(near(sample(e, "rwkv_logits_entropy_ratio" ML), 3 / log(65536)));
	assert_true(near(sample(e, "rwkv_state_cosine_distance_sum" ML), 0.7));
	assert_true(sample(e, "rwkv_state_bytes" ML) == 1048576);
	assert_true(near(sample(e, "rwkv_repetition_ratio" ML), 0.083));
	assert_true(sample(e, "rwkv_gpu_memory_used_bytes" ML_("gpu=\"0\",scope=\"device\"")) == 2147483648.0);
	assert_true(sample(e, "rwkv_gpu_memory_limit_bytes" ML_("gpu=\"0\",scope=\"device\"")) == 8589934592.0);
	assert_true(near(sample(e, "rwkv_vram_usage_mb" ML), 2048));
	assert_true(near(sample(e, "rwkv_inference_latency_ms" ML), (8 + 10 * 4) / 11.0));
	assert_true(sample(e, "rwkv_request_duration_seconds_count" ML) == 0); /* it still goes on */
	assert_true(sample(e, "rwkv_backend_up" ML) == 1);
	end = event_of(&session, EVENT_SESSION_END);
	exporter_take(e, &end);
	assert_true(near(sample(e, "rwkv_request_duration_seconds_sum" ML), 0.09));
	assert_true(near(sample(e, "rwkv_request_time_per_output_token_seconds_sum" ML), 0.005));
	assert_true(sample(e, "rwkv_backend_up" ML) == 0);
	assert_true(isnan(sample(e, "rwkv_state_bytes" ML))); /* its state is gone */
	assert_true(sample(e, "rwkv_tokens_total" ML_("phase=\"decode\"")) == 10);
	exporter_close(e);
}

static void a_prompt_after_tokens_is_a_new_request(void **state)
{
	struct exporter *e = open_exporter(false, 0);
	const struct field_values session = session_of("rwkv-sess-000001", "m", "b");
	struct record r;

	(void)state;
	speak(e, &session, 0);
	now_us += 3600 * INT64_C(1000000); /* the user thinks */
	r = step_of(&session, PHASE_PREFILL, 5, 30);
	now_us += 30000;
	r.time_us = now_us;
	exporter_take(e, &r);
	assert_true(near(sample(e, "rwkv_request_duration_seconds_sum" ML), 0.09)); /* thinking is not in it */
	now_us += 5000;
	r = step_of(&session, PHASE_DECODE, 1, 4);
	exporter_take(e, &r);
	assert_true(sample(e, "rwkv_time_to_first_token_seconds_count" ML) == 2);
	assert_true(near(sample(e, "rwkv_time_to_first_token_seconds_sum" ML), 0.07));
	exporter_close(e);
}

/* A gauge over the last minute depends on neither who scrapes nor how often. */
static void the_window_is_a_minute_of_the_clock(void **state)
{
	struct exporter *e = open_exporter(false, 0);
	const struct field_values session = session_of("rwkv-sess-000001", "m", "b");

	(void)state;
	for (int i = 0; i < 120; i++) { /* a token a second, its latency its number */
		struct record r = step_of(&session, PHASE_DECODE, 1, i);

		exporter_take(e, &r);
		now_us += 1000000;
		if (i % 7 == 0)
			sample(e, "rwkv_inference_latency_ms" ML);
	}
	now_us -= 1000000; /* the second of the last token: 60..119 are in the window */
	assert_true(near(sample(e, "rwkv_inference_latency_ms" ML), 89.5));
	assert_true(near(sample(e, "rwkv_inference_latency_ms" ML), 89.5));
	now_us += 30 * INT64_C(1000000);
	assert_true(near(sample(e, "rwkv_inference_latency_ms" ML), 104.5));
	now_us += 31 * INT64_C(1000000);
	assert_true(isnan(sample(e, "rwkv_inference_latency_ms" ML)));
	exporter_close(e);
}

static void alarms_gaps_and_bad_numbers_are_counted(void **state)
{
	struct exporter *e = open_exporter(false, 0);
	const struct field_values session = session_of("rwkv-sess-000001", "m", "b");
	struct field_values extra = { 0 };
	struct record r = event_of(&session, EVENT_SESSION_START);
	struct exporter_own own = { .overhead_seconds = 0.25, .finished = { [FINISH_LENGTH] = 2 } };

	(void)state;
	exporter_take(e, &r);
	alarm_of(e, &session, "non_finite", "non_finite_logits", true);
	alarm_of(e, &session, "non_finite", "non_finite_state", true);
	alarm_of(e, &session, "non_finite", "non_finite_logits", false);
	assert_true(sample(e, "rwkv_alarm_active" ML_("alarm=\"non_finite\"")) == 1); /* one of its rules still fires */
	alarm_of(e, &session, "non_finite", "non_finite_state", false);
	assert_true(sample(e, "rwkv_alarm_active" ML_("alarm=\"non_finite\"")) == 0);
	alarm_of(e, &session, "mode_collapse", "collapse_low_entropy", true);
	assert_true(sample(e, "rwkv_collapse_events_total" ML_("kind=\"low_entropy\"")) == 1);
	alarm_of(e, &session, "no_such_alarm", "x", true);
	assert_true(sample(e, "rwkv_actions_total" ML_("action=\"rewind\"")) == 0);
	action_of(e, &session, "rewind");
	action_of(e, &session, "rewind");
	action_of(e, &session, "what nobody knows");
	assert_true(sample(e, "rwkv_actions_total" ML_("action=\"rewind\"")) == 2);
	assert_true(sample(e, "rwkv_actions_total" ML_("action=\"other\"")) == 1);
	fields_set_number(&extra, F_DROPPED, 17);
	r = event_of(&session, EVENT_GAP);
	r.extra = &extra;
	exporter_take(e, &r);
	assert_true(sample(e, "rwkv_obs_dropped_records_total" ML) == 17);
	r = step_of(&session, PHASE_DECODE, 1, 4);
	record_set(&r, M_NONFINITE_LOGITS, 5);
	record_set(&r, M_NAN_LOGITS, 3);
	record_set(&r, M_STATE_LEAK, 0.5);
	exporter_take(e, &r);
	assert_true(sample(e, "rwkv_nonfinite_logits_total" ML_("kind=\"nan\"")) == 3);
	assert_true(sample(e, "rwkv_nonfinite_logits_total" ML_("kind=\"inf\"")) == 2);
	assert_true(sample(e, "rwkv_state_leaks_total" ML) == 1);
	assert_true(isnan(sample(e, "rwkv_requests_total" ML_("finish_reason=\"stop\""))));
	exporter_set_own(e, slice_of("rwkv-sess-000001"), &own);
	exporter_set_own(e, slice_of("rwkv-sess-000001"), &own); /* totals, not increments */
	assert_true(near(sample(e, "rwkv_obs_overhead_seconds_total" ML), 0.25));
	assert_true(sample(e, "rwkv_requests_total" ML_("finish_reason=\"length\"")) == 2);
	assert_true(sample(e, "rwkv_requests_total" ML_("finish_reason=\"stop\"")) == 0); /* one known, all known */
	exporter_close(e);
}

static void sessions_of_one_model_are_one_series(void **state)
{
	struct exporter *e = open_exporter(false, 0);
	const struct field_values one = session_of("rwkv-sess-000001", "m", "b"),
				  two = session_of("rwkv-sess-000002", "m", "b");
	const struct field_values other = session_of("rwkv-sess-000003", "n", "b");

	(void)state;
	speak(e, &one, 0);
	speak(e, &two, 0);
	speak(e, &other, 0);
	assert_true(sample(e, "rwkv_tokens_total" ML_("phase=\"decode\"")) == 20);
	assert_true(sample(e, "rwkv_state_bytes" ML) == 2 * 1048576);
	assert_true(sample(e, "rwkv_tokens_total{model=\"n\",backend=\"b\",phase=\"decode\"}") == 10);
	exporter_close(e);
}

static void a_silent_session_beside_a_log_is_down(void **state)
{
	struct exporter *e = open_exporter(true, 300 * INT64_C(1000000));
	struct field_values session = session_of("rwkv-sess-000001", "m", "b");

	(void)state;
	fields_set_text(&session, F_INSTANCE, slice_of("host:1"));
	speak(e, &session, 0);
	assert_true(sample(e, "rwkv_backend_up{instance=\"host:1\",model=\"m\",backend=\"b\"}") == 1);
	now_us += 301 * INT64_C(1000000);
	assert_true(sample(e, "rwkv_backend_up{instance=\"host:1\",model=\"m\",backend=\"b\"}") == 0);
	exporter_close(e);
}

/* What a log says cannot break out of a label, and not make more series than there is room for. */
static void hostile_names_stay_labels(void **state)
{
	struct exporter *e = open_exporter(false, 0);
	struct field_values session = session_of("rwkv-sess-000001", "a\"} 1\nevil_total 666\\\xff\x01", "b");
	struct buf text;

	(void)state;
	speak(e, &session, 0);
	text = text_of(e, EXPOSITION_TEXT);
	assert_null(strstr(text.p, "\nevil_total"));
	assert_non_null(strstr(text.p, "model=\"a\\\"} 1\\nevil_total 666\\\\\xEF\xBF\xBD \""));
	buf_free(&text);
	for (int i = 0; i < 2000; i++) {
		char id[32], name[300];

		snprintf(id, sizeof id, "rwkv-sess-%06x", i);
		snprintf(name, sizeof name, "model %d %0*d", i, i % 250, 0);
		session = session_of(id, name, "b");
		speak(e, &session, 0);
	}
	text = text_of(e, EXPOSITION_TEXT);
	assert_true(text.used < 65 * 65536);
	buf_free(&text);
	exporter_close(e);
}

static size_t series_in(const char *text)
{
	size_t n = 0;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		n += *line != '#';
	return n;
}

/* All there is: an instance's every family, for the stored texts and the count of series. */
static struct exporter *full_exporter(void)
{
	struct exporter *e = open_exporter(false, 0);
	static struct field_values session;
	const struct exporter_own own = { .overhead_seconds = 0.001, .finished = { 1, 0, 0, 0 } };
	const float norms[2] = { 3, 4 };
	struct record r;

	session = session_of("rwkv-sess-000001", "RWKV-7 \xE4\xB8\x96\xE7\x95\x8C", "rwkvmon");
	r = event_of(&session, EVENT_SESSION_START);
	exporter_take(e, &r);
	speak(e, &session, 0);
	speak(e, &session, 1);
	r = step_of(&session, PHASE_DECODE, 1, 4);
	r.sequence = 1;
	for (int m = 0; m < METRIC_COUNT; m++)
		if (!record_has(&r, (enum metric_id)m) && m != M_TIME_TO_FIRST_TOKEN_MS && m != M_REQUEST_DURATION_MS)
			record_set(&r, (enum metric_id)m, 0.5);
	record_set(&r, M_NONFINITE_LOGITS, 5);
	record_set(&r, M_NAN_LOGITS, 2);
	record_set(&r, M_STATE_SIZE_BYTES, 1 << 20);
	r.layer_norm = norms;
	r.n_layer_norm = 2;
	exporter_take(e, &r);
	exporter_set_own(e, slice_of("rwkv-sess-000001"), &own);
	alarm_of(e, &session, "high_latency", "high_latency", true);
	return e;
}

static void matches(struct exporter *e, enum exposition format, const char *stored)
{
	struct buf is = text_of(e, format), ought = { 0 };
	struct err err;

	if (getenv("RWKVMON_UPDATE_GOLDEN"))
		assert_int_equal(file_write(stored, buf_slice(&is), &err), 0);
	assert_int_equal(file_read(&ought, stored, 1 << 20, &err), 0);
	assert_string_equal(is.p, ought.p);
	buf_free(&is);
	buf_free(&ought);
}

/* All above the highest bound looks to histogram_quantile as if it were that bound: a p99 that stands still
 * (vllm-project/vllm#15167, NVIDIA-NeMo/Switchyard#262). */
static void what_is_slow_is_below_the_highest_bound(void **state)
{
	static const struct {
		enum family_id family;
		double seconds;
	} slow[] = {
		{ FAM_TOKEN_DURATION, 12 }, /* a model of which half is swapped out */
		{ FAM_PER_OUTPUT_TOKEN, 12 },   { FAM_PREFILL_CHUNK, 90 },
		{ FAM_FIRST_TOKEN, 400 }, /* 8,000 tokens at 20 tokens/s */
		{ FAM_REQUEST_DURATION, 1800 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof slow / sizeof *slow; i++) {
		const struct family_spec *f = &family_specs[slow[i].family];

		if (!(f->bounds[f->n_bounds - 1] > slow[i].seconds))
			fail_msg("%s ends at %g s", f->prom, f->bounds[f->n_bounds - 1]);
	}
}

static void the_texts_are_as_stored(void **state)
{
	struct exporter *e = full_exporter();
	struct buf text = text_of(e, EXPOSITION_TEXT);

	(void)state;
	matches(e, EXPOSITION_TEXT, SOURCE_DIR "/tests/golden/metrics.prom.exact");
	matches(e, EXPOSITION_OPENMETRICS, SOURCE_DIR "/tests/golden/metrics.openmetrics.exact");
	assert_in_range(series_in(text.p), 150, 249);
	buf_free(&text);
	exporter_close(e);
}

static void an_empty_exporter_speaks_too(void **state)
{
	struct exporter *e = open_exporter(false, 0);
	struct buf text = text_of(e, EXPOSITION_OPENMETRICS);

	(void)state;
	assert_non_null(strstr(text.p, "rwkv_build_info{version=\"" RWKVMON_VERSION "\"} 1\n"));
	assert_string_equal(text.p + text.used - 6, "# EOF\n");
	buf_free(&text);
	exporter_close(e);
}

/* One session each of that many instances, in turn; twice. */
static void many_speak(struct exporter *e, int instances)
{
	for (int k = 0; k < 2 * instances; k++) {
		char id[16], instance[16];
		struct field_values session;

		snprintf(id, sizeof id, "s-%d", k % instances);
		snprintf(instance, sizeof instance, "h%d:1", k % instances);
		session = session_of(id, "m", "b");
		fields_set_text(&session, F_INSTANCE, slice_of(instance));
		speak(e, &session, (uint32_t)(k / instances));
	}
}

/* What found no room is summed up under one name, and how much that is stands beside it. */
static void what_is_summed_up_is_told(void **state)
{
	struct exporter *e = open_exporter(true, 0);
	struct buf text;

	(void)state;
	many_speak(e, 100);
	text = text_of(e, EXPOSITION_TEXT);
	assert_non_null(strstr(text.p, "rwkv_exporter_other_label_sets 36\n"));
	assert_non_null(strstr(text.p, "instance=\"other\""));
	assert_null(strstr(text.p, "instance=\"h64:1\""));
	buf_free(&text);
	exporter_close(e);
}

/* Of all instances. */
static double sum_of(const char *text, const char *family)
{
	double sum = 0;

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, family, strlen(family)) && line[strlen(family)] == '{')
			sum += strtod(strchr(line, '}') + 1, NULL);
	return sum;
}

/* Instances whose logs are over make room for others; what they counted goes on in the sums. */
static void what_made_room_still_counts(void **state)
{
	struct exporter *e = open_exporter(true, 1000000);
	struct buf text;

	(void)state;
	many_speak(e, 100);
	text = text_of(e, EXPOSITION_TEXT);
	assert_non_null(strstr(text.p, "instance=\"other\""));
	assert_true(sum_of(text.p, "rwkv_token_total") == 2 * 100 * 10);
	assert_true(sum_of(text.p, "rwkv_token_duration_seconds_count") == 2 * 100 * 10);
	assert_null(strstr(text.p, "rwkv_exporter_other_label_sets 0\n"));
	buf_free(&text);
	exporter_close(e);
}

/* Sessions of one id on two instances are two; a line without an instance is of one of them. */
static void an_id_may_be_that_of_several_instances(void **state)
{
	struct exporter *e = open_exporter(true, 0);
	struct field_values one = session_of("chat", "m", "b"), two = one, none = one;
	struct buf text;

	(void)state;
	fields_set_text(&one, F_INSTANCE, slice_of("h1:1"));
	fields_set_text(&two, F_INSTANCE, slice_of("h2:1"));
	speak(e, &one, 0);
	speak(e, &two, 0);
	speak(e, &one, 1);
	speak(e, &none, 2);
	text = text_of(e, EXPOSITION_TEXT);
	assert_non_null(strstr(text.p, "rwkv_token_total{instance=\"h1:1\",model=\"m\",backend=\"b\"} 30\n"));
	assert_non_null(strstr(text.p, "rwkv_token_total{instance=\"h2:1\",model=\"m\",backend=\"b\"} 10\n"));
	buf_free(&text);
	exporter_close(e);
}

/* More sessions than there is room for: whoever has series of his own keeps them. */
static void a_crowd_does_not_push_out_who_was_there(void **state)
{
	struct exporter *e = open_exporter(true, 0);
	char wanted[80];
	struct buf text;

	(void)state;
	many_speak(e, 700);
	text = text_of(e, EXPOSITION_TEXT);
	assert_non_null(strstr(text.p, "rwkv_exporter_other_label_sets 636\n"));
	for (int i = 0; i < 64; i++) {
		snprintf(wanted, sizeof wanted, "rwkv_backend_up{instance=\"h%d:1\",model=\"m\",backend=\"b\"} 1\n", i);
		assert_non_null(strstr(text.p, wanted));
	}
	buf_free(&text);
	exporter_close(e);
}

static void accept_headers_are_understood(void **state)
{
	static const struct {
		const char *accept;
		enum exposition want;
	} cases[] = {
		{ "", EXPOSITION_TEXT },
		{ "*/*", EXPOSITION_TEXT },
		{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", EXPOSITION_TEXT },
		{ "application/openmetrics-text; version=1.0.0", EXPOSITION_OPENMETRICS },
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/"
		  "plain;version=0.0.4;q=0.5,*/*;q=0.1",
		  EXPOSITION_OPENMETRICS },
		{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/"
		  "plain;version=0.0.4;q=0.4,*/*;q=0.1",
		  EXPOSITION_OPENMETRICS },
		{ "Application/OpenMetrics-Text ; Version=1.0.0 ; Q=0.5 , text/plain;q=0.4", EXPOSITION_OPENMETRICS },
		{ "application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.9", EXPOSITION_TEXT },
		{ "application/openmetrics-text;version=2.0.0", EXPOSITION_TEXT },
		{ "application/openmetrics-text;q=0", EXPOSITION_TEXT },
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
		  EXPOSITION_TEXT },
		{ ";;;,,,q=,=;q=nan", EXPOSITION_TEXT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(exposition_accepted(slice_of(cases[i].accept)), cases[i].want);
}

static void addresses_are_understood(void **state)
{
	static const struct {
		const char *text, *host; /* host NULL: refused */
		unsigned port;
	} cases[] = {
		{ "", "127.0.0.1", 8000 },     { "9000", "127.0.0.1", 9000 },
		{ ":0", "127.0.0.1", 0 },      { "0.0.0.0:80", "0.0.0.0", 80 },
		{ "[::1]:8000", "::1", 8000 }, { "::1", "::1", 8000 },
		{ "[::1]", "::1", 8000 },      { "localhost:65535", "localhost", 65535 },
		{ "host", "host", 8000 },      { "host:65536", NULL, 0 },
		{ "host:", NULL, 0 },          { "host:8x", NULL, 0 },
		{ "[::1", NULL, 0 },           { "a b:1", NULL, 0 },
		{ "http://x:1", NULL, 0 },     { "99999", NULL, 0 },
		{ "host:-1", NULL, 0 },        { "[]:1", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct address a;
		struct err err = { 0 };

		assert_int_equal(address_parse(&a, cases[i].text, &err) == 0, cases[i].host != NULL);
		if (cases[i].host) {
			assert_string_equal(a.host, cases[i].host);
			assert_int_equal(a.port, cases[i].port);
		} else {
			assert_int_equal(err.code, ERR_USAGE);
		}
	}
	assert_true(address_is_loopback("127.9.9.9") && address_is_loopback("::1") && address_is_loopback("localhost"));
	assert_false(address_is_loopback("0.0.0.0") || address_is_loopback("localhost.evil.example") ||
		     address_is_loopback("127.0.0.1.x"));
}

/* --- threads -------------------------------------------------------------------------- */

static struct exporter *shared;

static void *write_records(void *ctx)
{
	char id[32];
	struct field_values session;

	snprintf(id, sizeof id, "rwkv-sess-%06x", *(int *)ctx);
	session = session_of(id, "m", "b");
	for (int i = 0; i < 5000; i++) {
		struct record r = step_of(&session, PHASE_DECODE, 1, 4);

		exporter_take(shared, &r);
	}
	return NULL;
}

static void *scrape(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < 100; i++) {
		struct buf text = text_of(shared, (enum exposition)(i % 2));

		buf_free(&text);
	}
	return NULL;
}

static void writers_and_scrapes_at_once(void **state)
{
	int number[4] = { 1, 2, 3, 4 };
	pthread_t thread[6];

	(void)state;
	shared = open_exporter(false, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, write_records, &number[i]), 0);
	for (int i = 4; i < 6; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, scrape, NULL), 0);
	for (int i = 0; i < 6; i++)
		pthread_join(thread[i], NULL);
	assert_true(sample(shared, "rwkv_tokens_total" ML_("phase=\"decode\"")) == 20000);
	exporter_close(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_is_right),
		cmocka_unit_test(a_prompt_after_tokens_is_a_new_request),
		cmocka_unit_test(the_window_is_a_minute_of_the_clock),
		cmocka_unit_test(alarms_gaps_and_bad_numbers_are_counted),
		cmocka_unit_test(sessions_of_one_model_are_one_series),
		cmocka_unit_test(a_silent_session_beside_a_log_is_down),
		cmocka_unit_test(hostile_names_stay_labels),
		cmocka_unit_test(the_texts_are_as_stored),
		cmocka_unit_test(an_empty_exporter_speaks_too),
		cmocka_unit_test(what_is_summed_up_is_told),
		cmocka_unit_test(what_made_room_still_counts),
		cmocka_unit_test(an_id_may_be_that_of_several_instances),
		cmocka_unit_test(a_crowd_does_not_push_out_who_was_there),
		cmocka_unit_test(what_is_slow_is_below_the_highest_bound),
		cmocka_unit_test(accept_headers_are_understood),
		cmocka_unit_test(addresses_are_understood),
		cmocka_unit_test(writers_and_scrapes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
