/* Reports when there is no memory for a part of them: a report says that it failed, or it is whole. */
#include "faults.h"
#include "push.h"
#include "test.h"

#include "analyze/analyze.h"
#include "analyze/compare.h"
#include "read/read.h"
#include "report/compare.h"
#include "report/fleet.h"
#include "report/forecast_words.h"
#include "report/gnuplot.h"
#include "report/tuning.h"

#include <errno.h>
#include <math.h>

enum { MANY = 200 }; /* calls of malloc that fail one by one; of a report with more of them, as many spread over it */

static struct findings one, fleet;
static struct comparison compared;
static struct tuning tuned;

static int analyze(struct findings *out, const struct record *rec, size_t n)
{
	struct analyze_options how = { 0 };
	struct ruleset *rules;
	struct analysis *a;

	if (ruleset_open(&rules, "thresholds", NULL))
		return -1;
	how.rules = rules;
	if (analyze_open(&a, &how, NULL))
		return -1;
	for (size_t i = 0; i < n; i++)
		push_record(a, &rec[i]);
	n = (size_t)analyze_finish(a, NULL, out, NULL);
	analyze_close(a);
	ruleset_close(rules);
	return (int)n;
}

static int read_worked(void)
{
	static const char *const path[] = { SOURCE_DIR "/tests/logs/worked.log" };
	struct analyze_options how = { 0 };
	struct ruleset *rules;
	struct analysis *a;
	struct reader *reader;
	struct record rec;
	int rc;

	if (ruleset_open(&rules, "thresholds", NULL))
		return -1;
	how.rules = rules;
	if (analyze_open(&a, &how, NULL) || read_open(&reader, path, 1, NULL, NULL))
		return -1;
	while (read_next(reader, &rec, NULL) > 0)
		push_record(a, &rec);
	rc = analyze_finish(a, read_input(reader), &one, NULL);
	read_close(reader);
	analyze_close(a);
	ruleset_close(rules);
	return rc;
}

enum { INSTANCES = 9, STEPS = 120 };

/* Instances with two GPUs each, one of them slow, on which sessions say things in between. */
static int make_fleet(void)
{
	static struct field_values session[INSTANCES], extra;
	static struct record rec[INSTANCES * STEPS];
	static char id[INSTANCES][32], host[INSTANCES][32];

	for (size_t i = 0; i < INSTANCES; i++) {
		snprintf(id[i], sizeof id[i], "rwkv-sess-%06zx", i);
		snprintf(host[i], sizeof host[i], "host%zu:42", i);
		fields_set_text(&session[i], F_SESSION_ID, slice_of(id[i]));
		fields_set_text(&session[i], F_INSTANCE, slice_of(host[i]));
		fields_set_text(&session[i], F_MODEL_NAME, slice_of("RWKV-x070-World-1.5B"));
		fields_set_text(&session[i], F_STRATEGY, slice_of("cuda fp16 *10 -> cpu fp32"));
	}
	for (size_t k = 0; k < INSTANCES * STEPS; k++) {
		const size_t i = k % INSTANCES, step = k / INSTANCES;
		const double slow = i == 3 && step > 40 ? 2.5 : 1, ms = slow * (20 + (double)(step * 7 % 5) / 10);

		rec[k] = (struct record){ .event = EVENT_INFERENCE_STEP,
					  .time_us = 1757594096000000 + (int64_t)k * 20000,
					  .session = &session[i],
					  .extra = &extra,
					  .token_count = 1,
					  .phase = PHASE_DECODE,
					  .sequence_length = step };
		record_set(&rec[k], M_TOKEN_LATENCY_MS, ms);
		record_set(&rec[k], M_THROUGHPUT_TPS, 1000 / ms);
		record_set(&rec[k], M_LOGITS_ENTROPY, 4 - (double)step / 40);
		record_set(&rec[k], M_PROCESS_MEMORY_MB, 500 + (double)step * (double)i);
	}
	return analyze(&fleet, rec, INSTANCES * STEPS);
}

static int compare(void)
{
	struct compare_side *side[2];
	struct field_values session = { 0 };
	int rc;

	for (int s = 0; s < 2; s++) {
		if (compare_side_open(&side[s], 20, NULL))
			return -1;
		for (size_t i = 0; i < 6 * STEPS; i++) {
			struct record rec = { .event = EVENT_INFERENCE_STEP,
					      .time_us = 1757594096000000 + (int64_t)i * 20000,
					      .session = &session,
					      .token_count = 1,
					      .phase = PHASE_DECODE };
			char id[16];

			snprintf(id, sizeof id, "run-%zu", i / STEPS);
			record_set(&rec, M_TOKEN_LATENCY_MS, (s ? 30 : 20) + (double)(i * 7 % 11) / 10);
			compare_side_add(side[s], &rec, slice_of(id));
		}
	}
	rc = compare_sides(side[0], side[1], &compared, NULL);
	compare_side_close(side[0]);
	compare_side_close(side[1]);
	return rc;
}

static void tune(void)
{
	static const char *const strategy[] = { "cpu fp32", "cpu fp32i8", "cpu fp16" };

	tuned = (struct tuning){ .model = "model.pth", .dtype = "fp16", .cores = 2, .quality_tokens = 256 };
	tuned.limits = (struct tuning_limits){ NAN, NAN, NAN };
	for (size_t i = 0; i < 3; i++) {
		struct tuning_heat *h = &tuned.heat[0];

		h->of[h->race.n] = (struct tuning_candidate){ .strategy = strategy[i],
							      .threads = 1 + (int)i,
							      .chunk_len = 16,
							      .memory_mb = 90.0 - 30 * (double)i,
							      .kl = 0.01 * (double)i,
							      .kl_high = 0.02 * (double)i };
		h->race.n++;
		for (int round = 0; round < 8; round++)
			race_add(&h->race, i, log(100.0 * (double)(i + 1)) + 1e-4 * (round % 2));
	}
	tuning_choose(&tuned.heat[0], &tuned.limits, tuned.objective);
}

static int make_all(void **state)
{
	(void)state;
	tune();
	return read_worked() || make_fleet() || compare();
}

static int free_all(void **state)
{
	(void)state;
	findings_free(&one);
	findings_free(&fleet);
	comparison_free(&compared);
	return 0;
}

/* --- every report ------------------------------------------------------------------------------ */

#define OF_FINDINGS(name)                                                                                              \
	static void put_##name(struct buf *out, enum lang lang, const struct findings *f)                              \
	{                                                                                                              \
		report_##name(out, f, &(struct report_options){ .lang = lang });                                       \
	}
OF_FINDINGS(text)
OF_FINDINGS(json)
OF_FINDINGS(html)
OF_FINDINGS(markdown)
OF_FINDINGS(csv)
OF_FINDINGS(diagnosis_text)
OF_FINDINGS(diagnosis_json)
OF_FINDINGS(diagnosis_markdown)
OF_FINDINGS(diagnosis_mermaid)
OF_FINDINGS(diagnosis_html)
OF_FINDINGS(forecast_text)
OF_FINDINGS(forecast_json)
OF_FINDINGS(tuning_log_text)
OF_FINDINGS(tuning_log_json)

static void put_fleet_text(struct buf *out, enum lang lang, const struct findings *f)
{
	fleet_text(out, f, &(struct fleet_options){ .report = { .lang = lang } });
}

static void put_fleet_json(struct buf *out, enum lang lang, const struct findings *f)
{
	fleet_json(out, f, &(struct fleet_options){ .report = { .lang = lang } });
}

static void put_gnuplot(struct buf *out, enum lang lang, const struct findings *f)
{
	for (int chart = 0; chart < CHART_COUNT; chart++)
		gnuplot_chart(out, f, (enum chart_id)chart, PICTURE_SVG, "charts/it's.svg", lang);
}

#define OF_COMPARISON(form)                                                                                            \
	static void put_compare_##form(struct buf *out, enum lang lang, const struct findings *f)                      \
	{                                                                                                              \
		const struct compare_input in = { .name = { "a", "b" }, .findings = { f, f } };                        \
                                                                                                                       \
		compare_##form(out, &compared, &in, &(struct report_options){ .lang = lang });                         \
	}
OF_COMPARISON(text)
OF_COMPARISON(markdown)
OF_COMPARISON(json)

static void put_tuning_text(struct buf *out, enum lang lang, const struct findings *f)
{
	(void)f;
	report_tuning_text(out, &tuned, &(struct report_options){ .lang = lang });
}

static void put_tuning_html(struct buf *out, enum lang lang, const struct findings *f)
{
	(void)f;
	report_tuning_html(out, &tuned, &(struct report_options){ .lang = lang });
}

static const struct {
	const char *name;
	void (*put)(struct buf *out, enum lang lang, const struct findings *f);
} reports[] = {
#define REPORT(name) { #name, put_##name },
	REPORT(text) REPORT(json) REPORT(html) REPORT(markdown) REPORT(csv) REPORT(diagnosis_text)
		REPORT(diagnosis_json) REPORT(diagnosis_markdown) REPORT(diagnosis_mermaid) REPORT(diagnosis_html)
			REPORT(forecast_text) REPORT(forecast_json) REPORT(tuning_log_text) REPORT(tuning_log_json)
				REPORT(fleet_text) REPORT(fleet_json) REPORT(gnuplot) REPORT(compare_text)
					REPORT(compare_markdown) REPORT(compare_json) REPORT(tuning_text)
						REPORT(tuning_html)
#undef REPORT
};

/* --- the checks --------------------------------------------------------------------------------- */

/* The number of allocations that writing it takes. */
static unsigned allocations(size_t i, enum lang lang, const struct findings *f, struct buf *whole)
{
	unsigned n;

	fault_arm((struct fault){ FAULT_MALLOC, 1, true, 0, 1 }); /* slow ones, that work: counted */
	reports[i].put(whole, lang, f);
	n = fault_hits();
	fault_disarm();
	assert_false(whole->failed);
	return n;
}

/* With the Nth allocation failing, a report has failed or is, byte for byte, the whole one. */
static void failing_is_told(size_t i, enum lang lang, const struct findings *f)
{
	struct buf whole = { 0 };
	const unsigned n = allocations(i, lang, f, &whole), step = 1 + n / MANY;

	for (unsigned nth = 1; nth <= n; nth += step) {
		struct buf part = { 0 };

		fault_arm((struct fault){ FAULT_MALLOC, nth, false, ENOMEM, 0 });
		reports[i].put(&part, lang, f);
		fault_disarm();
		if (!part.failed && (part.used != whole.used || memcmp(part.p, whole.p, whole.used)))
			fail_msg("%s, %s: allocation %u of %u fails, and %zu of %zu bytes pass for all",
				 reports[i].name, lang_codes[lang], nth, n, part.used, whole.used);
		buf_free(&part);
	}
	buf_free(&whole);
}

static void a_report_that_is_not_whole_has_failed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
		for (int lang = 0; lang < LANG_COUNT; lang++) {
			failing_is_told(i, (enum lang)lang, &one);
			failing_is_told(i, (enum lang)lang, &fleet);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_that_is_not_whole_has_failed),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
