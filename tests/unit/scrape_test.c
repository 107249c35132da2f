/* What our own exporter writes is what the dashboard reads back. */
#include "test.h"

#include "export/snapshot.h"
#include "tui/scrape.h"

#include <math.h>

static int64_t now_us = 1757594096000000;

static uint64_t mono_ns(void *ctx)
{
	(void)ctx;
	return (uint64_t)now_us * 1000;
}

static int64_t wall_us(void *ctx)
{
	(void)ctx;
	return now_us;
}

static const struct clock test_clock = { mono_ns, wall_us, NULL };

static struct exporter *begin(void)
{
	static const struct exporter_options opts = { .clock = &test_clock };
	struct exporter *e = exporter_open(&opts);

	assert_non_null(e);
	return e;
}

static void push(struct exporter *e, const char *session, enum event_type event, double ms, const char *alarm)
{
	struct field_values fields = { 0 }, extra = { 0 };
	struct record rec = { .time_us = now_us,
			      .event = event,
			      .phase = PHASE_DECODE,
			      .token_count = 1,
			      .session = &fields,
			      .extra = &extra,
			      .sequence_length = 9 };

	fields_set_text(&fields, F_SESSION_ID, slice_of(session));
	fields_set_text(&fields, F_MODEL_NAME, slice_of("RWKV-x070 \"中\""));
	fields_set_text(&fields, F_STRATEGY, slice_of("cpu fp32"));
	if (alarm) {
		fields_set_text(&extra, F_ALARM_TYPE, slice_of(alarm));
		fields_set_text(&extra, F_RULE, slice_of(alarm));
	}
	if (event == EVENT_INFERENCE_STEP) {
		record_set(&rec, M_TOKEN_LATENCY_MS, ms);
		record_set(&rec, M_CHUNK_PROCESS_TIME_MS, ms);
		record_set(&rec, M_LOGITS_ENTROPY, 3);
		record_set(&rec, M_STATE_SIMILARITY, 0.9);
		record_set(&rec, M_TOKEN_REPETITION_PCT, 12);
		record_set(&rec, M_VRAM_USED_MB, 2048);
	}
	exporter_take(e, &rec);
}

static bool take(struct scrape *s, struct exporter *e)
{
	struct buf text = { 0 };
	bool any;

	exporter_write(e, EXPOSITION_TEXT, &text);
	any = scrape_take(s, buf_slice(&text), now_us);
	buf_free(&text);
	return any;
}

static const struct board_metric *metric_of(const struct board *b, enum metric_id m)
{
	for (size_t i = 0; i < b->n_metrics; i++)
		if (b->metric[i].metric == m)
			return &b->metric[i];
	fail_msg("%s is not on the board", metric_specs[m].id);
	return NULL;
}

static void differences_of_texts_are_what_happens(void **state)
{
	struct scrape *s = calloc(1, sizeof *s);
	struct board *b = calloc(1, sizeof *b);
	struct exporter *e = begin();

	(void)state;
	assert_true(s && b);
	for (int i = 0; i < 100; i++)
		push(e, "rwkv-sess-000001", EVENT_INFERENCE_STEP, 30, NULL);
	assert_true(take(s, e));
	now_us += 2000000;
	for (int i = 0; i < 50; i++)
		push(e, "rwkv-sess-000001", EVENT_INFERENCE_STEP, 90, NULL);
	assert_true(take(s, e));
	board_from_scrapes(b, s, 1, "test", LANG_EN);
	assert_float_equal(metric_of(b, M_TOKEN_LATENCY_MS)->now, 90, 1e-9);
	assert_float_equal(metric_of(b, M_TOKEN_LATENCY_MS)->point[BOARD_POINTS - 2], 30, 1e-9);
	assert_true(metric_of(b, M_TOKEN_LATENCY_MS)->p50.value > 25 &&
		    metric_of(b, M_TOKEN_LATENCY_MS)->p50.value < 50);
	assert_true(metric_of(b, M_TOKEN_LATENCY_MS)->p95.value > 75 &&
		    metric_of(b, M_TOKEN_LATENCY_MS)->p95.value <= 100);
	assert_float_equal(metric_of(b, M_THROUGHPUT_TPS)->now, 25, 1e-9);
	assert_float_equal(metric_of(b, M_LOGITS_ENTROPY)->now, 3, 1e-9);
	assert_float_equal(metric_of(b, M_STATE_SIMILARITY)->now, 0.9, 1e-9);
	assert_float_equal(metric_of(b, M_TOKEN_REPETITION_PCT)->now, 12, 1e-9);
	assert_float_equal(b->vram_used, 2048, 1e-9);
	assert_int_equal(b->tokens, 150);
	for (size_t i = 0; i < b->n_metrics; i++) /* what was never said is not there, and not 0 */
		assert_true(b->metric[i].metric != M_GPU_UTILIZATION_PCT && b->metric[i].metric != M_QUANT_KL_NATS);
	assert_int_equal(b->n_rows, 1);
	assert_string_equal(b->row[0].name, "RWKV-x070 \"中\"");
	assert_float_equal(b->row[0].throughput, 25, 1e-9);
	assert_int_equal(b->verdict, VERDICT_UNDECIDED); /* no alarm is on: more is not known */
	assert_true(b->not_judged);
	exporter_close(e);
	free(b);
	free(s);
}

static void alarms_come_and_go(void **state)
{
	struct scrape *s = calloc(1, sizeof *s);
	struct board *b = calloc(1, sizeof *b);
	struct exporter *e = begin();

	(void)state;
	assert_true(s && b);
	push(e, "rwkv-sess-000001", EVENT_INFERENCE_STEP, 30, NULL);
	push(e, "rwkv-sess-000001", EVENT_ALARM, 0, "non_finite");
	assert_true(take(s, e));
	board_from_scrapes(b, s, 1, "test", LANG_EN);
	assert_int_equal(b->verdict, VERDICT_CRITICAL);
	assert_int_equal(b->n_alarms, 1);
	assert_true(b->alarm[0].firing && b->alarm[0].type == ALARM_NON_FINITE);
	assert_int_equal(b->row[0].events, 1);
	now_us += 1000000;
	push(e, "rwkv-sess-000001", EVENT_ALARM_RESOLVED, 0, "non_finite");
	assert_true(take(s, e));
	board_from_scrapes(b, s, 1, "test", LANG_EN);
	assert_int_equal(b->verdict, VERDICT_UNDECIDED); /* no alarm is on: more is not known */
	assert_true(b->not_judged);
	assert_int_equal(b->n_alarms, 1);
	assert_false(b->alarm[0].firing);
	exporter_close(e);
	free(b);
	free(s);
}

/* All values lie below the first bound, or above the last one: no number inside the bucket is known. */
static void what_lies_beyond_the_bounds_has_one_bound(void **state)
{
	struct scrape *s = calloc(1, sizeof *s);
	struct board *b = calloc(1, sizeof *b);
	struct exporter *e = begin();
	struct buf json = { 0 };

	(void)state;
	assert_true(s && b);
	for (int i = 0; i < 100; i++)
		push(e, "rwkv-sess-000001", EVENT_INFERENCE_STEP, i < 80 ? 0.1 : 60000, NULL);
	assert_true(take(s, e));
	board_from_scrapes(b, s, 1, "test", LANG_EN);
	for (int i = 0; i < 2; i++) {
		const struct board_quantile *p50 = i ? &b->row[0].latency_p50 : &metric_of(b, M_TOKEN_LATENCY_MS)->p50;
		const struct board_quantile *p95 = i ? &b->row[0].latency_p95 : &metric_of(b, M_TOKEN_LATENCY_MS)->p95;

		assert_true(p50->between && isnan(p50->value) && isinf(p50->low));
		assert_float_equal(p50->high, 0.5, 1e-9);
		assert_true(p95->between && isnan(p95->value) && isinf(p95->high));
		assert_float_equal(p95->low, 30000, 1e-9);
	}
	board_json(&json, b);
	assert_non_null(strstr(json.p, "\"p50\":null,\"p50_between\":[null,0.5]"));
	assert_non_null(strstr(json.p, "\"latency_p95_ms\":null,\"latency_p95_ms_between\":[30000,null]"));
	buf_free(&json);
	exporter_close(e);
	free(b);
	free(s);
}

/* The worst of the targets; an alarm is no part of a verdict that its server has made. */
static void a_published_verdict_is_the_verdict(void **state)
{
	static const char step[] = "rwkv_token_duration_seconds_count{model=\"m\"} 100\n"
				   "rwkv_alarm_active{model=\"m\",alarm=\"non_finite\"} 0\n";
	struct scrape *s = calloc(2, sizeof *s);
	struct board *b = calloc(1, sizeof *b);

	(void)state;
	assert_true(s && b);
	for (int v = 0; v < VERDICT_COUNT; v++) {
		struct exporter *e = begin();

		push(e, "rwkv-sess-000001", EVENT_INFERENCE_STEP, 30, NULL);
		exporter_set_verdict(e, v);
		assert_true(take(&s[0], e));
		board_from_scrapes(b, s, 1, "test", LANG_EN);
		assert_int_equal(b->verdict, v);
		assert_false(b->not_judged);
		assert_true(scrape_take(&s[1], slice_of(step), now_us));
		board_from_scrapes(b, s, 2, "test", LANG_EN);
		assert_int_equal(b->verdict, v > VERDICT_UNDECIDED ? v : VERDICT_UNDECIDED);
		assert_true(b->not_judged == (v <= VERDICT_UNDECIDED));
		exporter_close(e);
	}
	free(b);
	free(s);
}

static void rows_of_one_name_are_told_apart(void **state)
{
	static const char text[] = "rwkv_token_duration_seconds_count{model=\"m\"} 100\n",
			  other[] = "rwkv_token_duration_seconds_count{model=\"other one\"} 100\n";
	struct scrape *s = calloc(2, sizeof *s);
	struct board *b = calloc(1, sizeof *b);

	(void)state;
	assert_true(s && b);
	for (int i = 0; i < 2; i++) {
		snprintf(s[i].name, sizeof s[i].name, "host:%d", i);
		assert_true(scrape_take(&s[i], slice_of(text), now_us));
	}
	board_from_scrapes(b, s, 2, "test", LANG_EN);
	assert_int_equal(b->n_rows, 2);
	assert_string_equal(b->row[0].name, "host:0 m");
	assert_string_equal(b->row[1].name, "host:1 m");
	memset(&s[1], 0, sizeof s[1]);
	assert_true(scrape_take(&s[1], slice_of(other), now_us));
	board_from_scrapes(b, s, 2, "test", LANG_EN);
	assert_string_equal(b->row[0].name, "m");
	assert_string_equal(b->row[1].name, "other one");
	free(b);
	free(s);
}

static void counters_that_fell_began_anew(void **state)
{
	static const char *const texts[] = {
		"rwkv_tokens_total{model=\"m\",phase=\"decode\"} 1000\nrwkv_token_duration_seconds_sum{model=\"m\"} "
		"30\n"
		"rwkv_token_duration_seconds_count{model=\"m\"} 1000\n",
		"rwkv_tokens_total{model=\"m\",phase=\"decode\"} 20\nrwkv_token_duration_seconds_sum{model=\"m\"} 1\n"
		"rwkv_token_duration_seconds_count{model=\"m\"} 20\n",
	};
	struct scrape *s = calloc(1, sizeof *s);
	struct board *b = calloc(1, sizeof *b);

	(void)state;
	assert_true(s && b);
	for (int i = 0; i < 2; i++)
		assert_true(scrape_take(s, slice_of(texts[i]), 1000000 + i * 1000000));
	board_from_scrapes(b, s, 1, "test", LANG_EN);
	assert_float_equal(metric_of(b, M_THROUGHPUT_TPS)->now, 20, 1e-9);
	assert_float_equal(metric_of(b, M_TOKEN_LATENCY_MS)->now, 50, 1e-9);
	free(b);
	free(s);
}

/* A llama-server's: no labels, means as two counters. */
static void other_servers_are_rows_of_a_table(void **state)
{
	static const char *const texts[] = {
		"# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total 100\n"
		"llamacpp:prompt_seconds_total 0.5\nllamacpp:tokens_predicted_total 40\n"
		"llamacpp:tokens_predicted_seconds_total 2\nllamacpp:requests_processing 1\n",
		"llamacpp:prompt_tokens_total 150\nllamacpp:prompt_seconds_total 0.75\nllamacpp:tokens_predicted_total "
		"60\n"
		"llamacpp:tokens_predicted_seconds_total 2.5\nllamacpp:requests_processing 3\n"
		"llamacpp:requests_deferred 2\nllamacpp:predicted_tokens_seconds 30\n",
	};
	struct scrape *s = calloc(1, sizeof *s);
	struct board *b = calloc(1, sizeof *b);
	struct scrape_step step;

	(void)state;
	assert_true(s && b);
	snprintf(s->name, sizeof s->name, "127.0.0.1:8080");
	for (int i = 0; i < 2; i++)
		assert_true(scrape_take(s, slice_of(texts[i]), 1000000 + i * 2000000));
	board_from_scrapes(b, s, 1, "test", LANG_EN);
	assert_int_equal(b->n_rows, 1);
	assert_string_equal(b->row[0].name, "127.0.0.1:8080");
	assert_float_equal(metric_of(b, M_THROUGHPUT_TPS)->now, 10, 1e-9);
	assert_float_equal(metric_of(b, M_TOKEN_LATENCY_MS)->now, 25, 1e-9);
	assert_float_equal(metric_of(b, M_TOKEN_LATENCY_MS)->p50.value, 50, 1e-9); /* of the two means, 50 and 25 */
	assert_float_equal(metric_of(b, M_REQUESTS_RUNNING)->now, 3, 1e-9);
	assert_int_equal(b->tokens, 210);
	assert_int_equal(b->verdict, VERDICT_UNDECIDED); /* no alarm is on: more is not known */
	assert_true(b->not_judged);
	step = scrape_step(&s->row[0]);
	assert_float_equal(step.decode_tokens, 20, 1e-9);
	assert_float_equal(step.decode_seconds, 0.5, 1e-9);
	assert_float_equal(step.prefill_tokens, 50, 1e-9);
	assert_float_equal(step.running, 3, 1e-9);
	assert_float_equal(step.waiting, 2, 1e-9);
	free(b);
	free(s);
}

static void an_idle_server_is_too_little_to_judge(void **state)
{
	static const char idle[] = "llamacpp:tokens_predicted_total 0\nllamacpp:tokens_predicted_seconds_total 0\n"
				   "llamacpp:prompt_tokens_total 0\nllamacpp:requests_processing 0\n";
	struct scrape *s = calloc(1, sizeof *s);
	struct board *b = calloc(1, sizeof *b);

	(void)state;
	assert_true(s && b);
	snprintf(s->name, sizeof s->name, "127.0.0.1:8080");
	for (int i = 0; i < 2; i++)
		assert_true(scrape_take(s, slice_of(idle), 1000000 + i * 2000000));
	board_from_scrapes(b, s, 1, "test", LANG_EN);
	assert_int_equal(b->records, 0);
	assert_int_equal(b->verdict, VERDICT_UNDECIDED);
	free(b);
	free(s);
}

/* More instances than rows: the last row stands for the rest, and whoever has the worst alarm is on top. */
static void the_worst_is_on_top_and_the_rest_is_named(void **state)
{
	struct scrape *s = calloc(2, sizeof *s);
	struct board *b = calloc(1, sizeof *b);
	struct buf text = { 0 };

	(void)state;
	assert_true(s && b);
	for (int i = 0; i < SCRAPE_ROWS + 8; i++)
		buf_printf(&text, "rwkv_tokens_total{instance=\"host%d\",phase=\"decode\"} 10\n", i);
	buf_str(&text, "rwkv_exporter_other_label_sets 36\n"
		       "rwkv_alarm_active{instance=\"host7\",alarm=\"high_latency\"} 1\n"
		       "rwkv_alarm_active{instance=\"host9\",alarm=\"non_finite\"} 1\n");
	for (int i = 0; i < 2; i++) {
		snprintf(s[i].name, sizeof s[i].name, "target");
		assert_true(scrape_take(&s[i], buf_slice(&text), 1000000));
	}
	assert_int_equal(s[0].n_rows, SCRAPE_ROWS);
	assert_string_equal(s[0].row[SCRAPE_ROWS - 1].name, "other");
	assert_float_equal(s[0].row[SCRAPE_ROWS - 1].now.number[SCRAPE_DECODE_TOKENS], 10 * 9, 1e-9);
	board_from_scrapes(b, s, 2, "test", LANG_EN);
	assert_int_equal(b->rows_total, 2 * (SCRAPE_ROWS + 35));
	assert_string_equal(b->row[0].name, "target host9");
	assert_string_equal(b->row[1].name, "target host9");
	assert_string_equal(b->row[2].name, "target host7");
	assert_int_equal(b->alarms_total, 4);
	assert_int_equal(b->tokens, 2 * 10 * (SCRAPE_ROWS + 8));
	buf_free(&text);
	free(b);
	free(s);
}

/* More alarms than a board has room for: those that are on and the latest stay, whichever target they are of. */
static void the_latest_alarms_stay(void **state)
{
	struct scrape *s = calloc(2, sizeof *s);
	struct board *b = calloc(1, sizeof *b);
	struct buf text = { 0 };

	(void)state;
	assert_true(s && b);
	for (int target = 0; target < 2; target++) {
		for (int i = 0; i < SCRAPE_ROWS - 1; i++)
			buf_printf(&text, "rwkv_alarm_active{instance=\"target%d-host%d\",alarm=\"high_latency\"} 1\n",
				   target, i);
		assert_true(scrape_take(&s[target], buf_slice(&text), 1000000 * (target + 1)));
		buf_clear(&text);
	}
	buf_str(&text, "rwkv_alarm_active{instance=\"target0-host0\",alarm=\"high_latency\"} 0\n");
	assert_true(scrape_take(&s[0], buf_slice(&text), 3000000)); /* all of the first target's are over by now */
	board_from_scrapes(b, s, 2, "test", LANG_EN);
	assert_int_equal(b->n_alarms, BOARD_ALARMS);
	assert_int_equal(b->alarms_total, 2 * (SCRAPE_ROWS - 1));
	for (size_t i = 0; i < BOARD_ALARMS; i++) {
		assert_true(b->alarm[i].firing == (i < SCRAPE_ROWS - 1));
		assert_true(b->alarm[i].from_us == (b->alarm[i].firing ? 2000000 : 1000000));
	}
	buf_free(&text);
	free(b);
	free(s);
}

static void what_is_not_ours_is_refused(void **state)
{
	static const char *const texts[] = { "",      "<html>404</html>", "# HELP up x\nup 1\n",
					     "rwkv_", "llamacpp:",        "{\"a\":1}" };
	struct scrape *s = calloc(1, sizeof *s);

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_false(scrape_take(s, slice_of(texts[i]), 1000000));
	assert_int_equal(s->texts, 0);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences_of_texts_are_what_happens),
		cmocka_unit_test(alarms_come_and_go),
		cmocka_unit_test(what_lies_beyond_the_bounds_has_one_bound),
		cmocka_unit_test(a_published_verdict_is_the_verdict),
		cmocka_unit_test(rows_of_one_name_are_told_apart),
		cmocka_unit_test(counters_that_fell_began_anew),
		cmocka_unit_test(other_servers_are_rows_of_a_table),
		cmocka_unit_test(an_idle_server_is_too_little_to_judge),
		cmocka_unit_test(the_worst_is_on_top_and_the_rest_is_named),
		cmocka_unit_test(the_latest_alarms_stay),
		cmocka_unit_test(what_is_not_ours_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
