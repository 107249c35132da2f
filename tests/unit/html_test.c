/* The HTML report from synthetic findings: escaping, size, and every kind of nothing.
 * With RWKVMON_PAGES=DIR the pages are also written there, to be looked at. */
#include "test.h"

#include "base/file.h"
#include "report/report.h"

#include <math.h>
#include <time.h>

#define HOSTILE "</script><img src=x onerror=alert(1)>&\"'\xff\x01"

enum { PAGE_BYTES_MAX = 2 * 1000 * 1000 };

static const int64_t start_us = INT64_C(1757594096000000);

/* A small generator of its own: the same pages everywhere. */
static double noise(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(*seed >> 40) / (double)(1 << 24) - 0.5;
}

struct shape {
	enum metric_id metric;
	double base, swing, noise;
};

static const struct shape shapes[] = {
	{ M_TOKEN_LATENCY_MS, 32.5, 6, 9 },
	{ M_THROUGHPUT_TPS, 156, 20, 12 },
	{ M_CHUNK_PROCESS_TIME_MS, 80, 30, 40 },
	{ M_TIME_TO_FIRST_TOKEN_MS, 310, 50, 90 },
	{ M_VRAM_USED_MB, 2457, 120, 4 },
	{ M_GPU_UTILIZATION_PCT, 78, 10, 12 },
	{ M_STATE_SIZE_BYTES, 1048576, 0, 0 },
	{ M_CPU_UTILIZATION_PCT, 24, 6, 8 },
	{ M_MACHINE_CPU_UTILIZATION_PCT, 41, 9, 9 },
	{ M_PROCESS_MEMORY_MB, 3120, 80, 2 },
	{ M_LOGITS_ENTROPY, 3.4, 0.7, 2.4 },
	{ M_TOKEN_REPETITION_PCT, 8.3, 3, 3 },
	{ M_STATE_SIMILARITY, 0.92, 0.02, 0.04 },
	{ M_SURPRISAL_NATS, 2.1, 0.5, 2 },
	{ M_STATE_SIMILARITY_SHIFT, 0.81, 0.03, 0.05 },
	{ M_STATE_SIMILARITY_WKV, 0.984, 0.004, 0.006 },
	{ M_STATE_CHANGE, 0.31, 0.06, 0.1 },
	{ M_STATE_DRIFT, 0.8, 0.1, 0.1 },
};

static bool sparse(enum metric_id m)
{
	return m == M_TIME_TO_FIRST_TOKEN_MS;
}

static void fill_summary(struct summary *s, const struct bucket *b, size_t n, double records_per_bucket)
{
	double sum = 0, used = 0;

	*s = (struct summary){ .min = INFINITY, .max = -INFINITY };
	for (size_t i = 0; i < n; i++) {
		if (!b[i].count)
			continue;
		used++;
		sum += b[i].mean;
		s->min = fmin(s->min, b[i].min);
		s->max = fmax(s->max, b[i].max);
	}
	if (used < 1)
		return;
	s->count = (uint64_t)(used * records_per_bucket);
	s->mean = sum / used;
	s->stddev = (s->max - s->min) / 6;
	s->p50 = s->mean;
	s->p90 = s->mean + 0.5 * (s->max - s->mean);
	s->p95 = s->mean + 0.7 * (s->max - s->mean);
	s->p99 = s->mean + 0.9 * (s->max - s->mean);
}

/* Waves with noise; slow from 60 % on, silent between 35 % and 42 %. */
static void fill_series(struct arena *a, struct series *s, size_t buckets, uint64_t seed)
{
	*s = (struct series){ .from_us = start_us, .width_us = 7000000, .n = buckets };
	for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
		const struct shape *shape = &shapes[k];
		struct bucket *b = arena_alloc(a, buckets, sizeof *b);

		for (size_t i = 0; i < buckets; i++) {
			double at = (double)i / (double)buckets, slow = at > 0.6 && at < 0.75;
			double mean =
				shape->base + shape->swing * sin(at * 9 + (double)k) + shape->noise * noise(&seed) / 3;

			if ((at > 0.35 && at < 0.42) || (sparse(shape->metric) && i % 23))
				continue;
			if (shape->metric == M_TOKEN_LATENCY_MS && slow > 0)
				mean += 52;
			if (shape->metric == M_THROUGHPUT_TPS && slow > 0)
				mean *= 0.3;
			if (shape->metric == M_STATE_SIMILARITY && at > 0.9 && at < 0.92)
				mean = 0.71;
			b[i] = (struct bucket){ 1, mean, mean, mean };
			if (!sparse(shape->metric) && shape->noise > 0) {
				b[i].count = 24;
				b[i].min = mean - shape->noise * 0.5 * (0.6 + fabs(noise(&seed)));
				b[i].max = mean + shape->noise * 0.5 * (0.6 + fabs(noise(&seed)));
			}
		}
		s->metric[shape->metric] = b;
	}
}

static void fill_histogram(struct histogram *h, double low, double high, double peak)
{
	h->n = FINDINGS_HISTOGRAM_BINS;
	h->low = low;
	h->high = high;
	for (size_t i = 0; i < h->n; i++) {
		double x = ((double)i - peak) / 5, y = ((double)i - peak - 17) / 3;

		h->bin[i] = (uint64_t)(4000 * exp(-x * x) + 500 * exp(-y * y));
	}
}

static void fill_events(struct findings *f, const char *session, size_t n)
{
	f->event = arena_alloc(&f->arena, n + 3, sizeof *f->event);
	f->event[0] = (struct anomaly_event){ ALARM_HIGH_LATENCY,
					      SEVERITY_WARNING,
					      session,
					      start_us + INT64_C(2150400000),
					      start_us + INT64_C(2680000000),
					      1830,
					      118.4,
					      75,
					      M_TOKEN_LATENCY_MS,
					      "" };
	f->event[1] = (struct anomaly_event){ ALARM_LOW_THROUGHPUT,
					      SEVERITY_WARNING,
					      session,
					      start_us + INT64_C(2160400000),
					      start_us + INT64_C(2688000000),
					      1790,
					      41.2,
					      50,
					      M_THROUGHPUT_TPS,
					      "" };
	f->event[2] = (struct anomaly_event){ ALARM_ABNORMAL_ENTROPY,
					      SEVERITY_CRITICAL,
					      session,
					      start_us + INT64_C(3230000000),
					      start_us + INT64_C(3237000000),
					      12,
					      0.42,
					      1,
					      M_LOGITS_ENTROPY,
					      "" };
	for (size_t i = 0; i < n; i++)
		f->event[3 + i] = f->event[i % 3];
	f->n_events = n + 3;
	f->events_total = n + 3;
	for (size_t i = 0; i < f->n_events; i++) {
		f->anomaly_by_type[f->event[i].type] += f->event[i].records;
		f->anomaly_records += f->event[i].records;
	}
	f->live_alarms[ALARM_HIGH_LATENCY] = 2;
}

static void fill_sessions(struct findings *f, const char *name, size_t n, size_t charted, size_t buckets)
{
	f->session = arena_alloc(&f->arena, n, sizeof *f->session);
	f->n_sessions = f->sessions_total = n;
	for (size_t i = 0; i < n; i++) {
		struct session_findings *s = &f->session[i];
		char id[40];

		snprintf(id, sizeof id, "rwkv-sess-%06zx", 0x8f4e2d + i * 7919);
		*s = (struct session_findings){
			.session_id = name ? name : arena_copy(&f->arena, slice_of(id)),
			.model_name = name ? name : "RWKV-x070-World-1.5B-v3-20250127-ctx4096",
			.strategy = name ? name : "cuda fp16i8",
			.instance = "",
			.records = 12288 / n,
			.tokens = 15000 / n,
			.sequences = 3,
			.from_us = start_us,
			.to_us = start_us + INT64_C(3584000000),
			.similarity_entropy_pearson = i == 1 ? -0.63 : -0.12,
			.collapse_warning = i == 1,
		};
		session_set_metrics(s, f->metric, &f->arena);
		if (i < charted) {
			struct series *own = arena_alloc(&f->arena, 1, sizeof *own);

			fill_series(&f->arena, own, buckets, 77 + i);
			s->series = own;
		}
	}
}

static void fill_findings(struct findings *f, const char *name, size_t sessions, size_t events)
{
	static const char *plain_files[] = { "logs/rwkv_monitor_20250911_123456.log" };
	static const char *hostile_files[] = { HOSTILE, HOSTILE, HOSTILE, HOSTILE };

	*f = (struct findings){ .files = name ? hostile_files : plain_files,
				.n_files = name ? 4 : 1,
				.bytes = 9000000,
				.lines = 12302,
				.records = 12288,
				.tokens = 15000,
				.skipped_lines = 3,
				.from_us = start_us,
				.to_us = start_us + INT64_C(3584000000),
				.rule_set = name ? name : "baseline" };
	fill_series(&f->arena, &f->series, FINDINGS_BUCKETS_MAX, 5);
	for (int m = 0; m < METRIC_COUNT; m++)
		if (f->series.metric[m]) {
			fill_summary(&f->metric[m], f->series.metric[m], f->series.n,
				     sparse((enum metric_id)m) ? 1 : 24);
			f->phase[PHASE_DECODE][m] = f->phase[PHASE_PREFILL][m] = f->metric[m];
		}
	f->phase[PHASE_PREFILL][M_TOKEN_LATENCY_MS] = (struct summary){ .count = 900,
									.min = 1.2,
									.max = 22,
									.mean = 3.1,
									.stddev = 1,
									.p50 = 2.6,
									.p90 = 5,
									.p95 = 8.4,
									.p99 = 15 };
	f->phase[PHASE_DECODE][M_TOKEN_LATENCY_MS] = (struct summary){ .count = 11388,
								       .min = 18.1,
								       .max = 131,
								       .mean = 40,
								       .stddev = 19,
								       .p50 = 32,
								       .p90 = 80,
								       .p95 = 92,
								       .p99 = 117 };
	fill_histogram(&f->latency[PHASE_PREFILL], 1.2, 22, 13);
	fill_histogram(&f->latency[PHASE_DECODE], 18.1, 131, 14);
	fill_sessions(f, name, sessions, FINDINGS_CHARTED_SESSIONS, FINDINGS_BUCKETS_MAX);
	fill_events(f, name ? name : "rwkv-sess-8f4e2d", events);
	f->n_skipped = 2;
	f->skipped[0] =
		(struct skipped_line){ f->files[0], 812, name ? name : "the line is torn: it ends inside a string" };
	f->skipped[1] = (struct skipped_line){ f->files[0], 9120, name ? name : "no event_type" };
}

/* As if the rules were the user's own. */
static void be_judged(struct findings *f)
{
	static struct judgement judgement;
	const struct diagnose_options own = { .rules_are_own = true };

	judge_findings(&judgement, f, &own);
	f->judgement = &judgement;
}

static void write_page(const char *name, enum lang lang, const struct buf *page)
{
	const char *dir = getenv("RWKVMON_PAGES");
	char path[512];
	struct err err;

	if (!dir)
		return;
	snprintf(path, sizeof path, "%s/%s.%s.html", dir, name, lang_codes[lang]);
	if (file_write(path, buf_slice(page), &err))
		fail_msg("%s", err.text);
}

/* Every box of the bottleneck tree ends within the drawing. */
static void check_tree(const char *page)
{
	const char *tree = strstr(page, "<svg class=\"diagram tree"), *end, *box;
	int left, width, boxes = 0;

	if (!tree)
		return;
	end = strstr(tree, "</svg>");
	assert_int_equal(sscanf(strstr(tree, "viewBox="), "viewBox=\"%d 0 %d", &left, &width), 2);
	for (box = strstr(tree, "<rect"); box && box < end; box = strstr(box + 1, "<rect")) {
		int x, y, wide;

		assert_int_equal(sscanf(strstr(box, " x="), " x=\"%d\" y=\"%d\" width=\"%d\"", &x, &y, &wide), 3);
		assert_true(x >= left && x + wide <= left + width);
		boxes++;
	}
	assert_true(boxes > QUESTION_COUNT);
}

/* What holds for every page. */
static void check_page(struct findings *f, const char *name)
{
	be_judged(f);
	for (int lang = 0; lang < LANG_COUNT; lang++) {
		struct buf page = { 0 };
		struct report_options options = { .lang = (enum lang)lang };

		report_html(&page, f, &options);
		assert_false(page.failed);
		assert_true(page.used < PAGE_BYTES_MAX);
		assert_null(strstr(page.p, "{{"));
		assert_null(strstr(page.p, "<img"));
		assert_null(strstr(page.p, "nan,"));
		assert_null(strstr(page.p, ":inf"));
		assert_non_null(strstr(page.p, "</html>"));
		assert_non_null(strstr(page.p, lang == LANG_ZH ? "<html lang=\"zh-CN\">" : "<html lang=\"en\">"));
		check_tree(page.p);
		assert_non_null(strstr(page.p, "Permission is hereby granted"));
		write_page(name, (enum lang)lang, &page);
		buf_free(&page);
	}
}

static void an_ordinary_page_shows_verdict_and_numbers(void **state)
{
	struct findings f;
	struct buf page = { 0 };
	struct report_options options = { .lang = LANG_ZH };

	(void)state;
	fill_findings(&f, NULL, 3, 4);
	check_page(&f, "ordinary");
	report_html(&page, &f, &options);
	assert_non_null(strstr(page.p, "RWKV性能分析报告"));
	assert_non_null(strstr(page.p, "严重异常"));
	assert_non_null(strstr(page.p, "rwkv-sess-8f4e2d"));
	assert_non_null(strstr(page.p, "data-panel=\"LATENCY\""));
	buf_free(&page);
	arena_free(&f.arena);
}

static void log_text_is_inert(void **state)
{
	struct findings f;

	(void)state;
	fill_findings(&f, HOSTILE, 3, 4);
	check_page(&f, "hostile");
	arena_free(&f.arena);
}

static void nothing_at_all_is_a_page(void **state)
{
	struct findings f = { .rule_set = "" };

	(void)state;
	check_page(&f, "nothing");
}

static void every_metric_missing_is_a_page(void **state)
{
	struct findings f;

	(void)state;
	fill_findings(&f, NULL, 1, 0);
	memset(f.metric, 0, sizeof f.metric);
	memset(f.phase, 0, sizeof f.phase);
	memset(f.series.metric, 0, sizeof f.series.metric);
	memset(f.latency, 0, sizeof f.latency);
	f.session[0] = (struct session_findings){
		.session_id = "", .model_name = "", .strategy = "", .instance = "", .similarity_entropy_pearson = NAN
	};
	f.n_events = 0;
	f.anomaly_records = 0;
	memset(f.anomaly_by_type, 0, sizeof f.anomaly_by_type);
	memset(f.live_alarms, 0, sizeof f.live_alarms);
	check_page(&f, "missing");
	arena_free(&f.arena);
}

static void extreme_numbers_are_a_page(void **state)
{
	static const double extremes[] = { 0, -0.0, 1e-300, -1e300, 1e300, 1.7e308, -1.7e308, INFINITY, NAN, 5e-324 };
	struct findings f;

	(void)state;
	fill_findings(&f, NULL, 2, 0);
	for (int m = 0; m < METRIC_COUNT; m++) {
		double x = extremes[m % 10], y = extremes[(m + 4) % 10];

		f.metric[m] = (struct summary){ UINT64_MAX, UINT64_MAX, UINT64_MAX, x, y, x, y, x, y, x, y };
		for (size_t i = 0; f.series.metric[m] && i < f.series.n; i++)
			f.series.metric[m][i] = (struct bucket){ UINT64_MAX, x, y, extremes[i % 10] };
	}
	f.records = f.tokens = f.lines = UINT64_MAX;
	f.to_us = INT64_MAX;
	f.latency[PHASE_DECODE].low = f.latency[PHASE_DECODE].high = 0;
	check_page(&f, "extreme");
	arena_free(&f.arena);
}

static void the_largest_findings_stay_under_the_limit(void **state)
{
	static char name[4096];
	struct findings f;

	(void)state;
	memset(name, '"', sizeof name - 1);
	fill_findings(&f, name, FINDINGS_SESSIONS_MAX, FINDINGS_EVENTS_MAX - 3);
	check_page(&f, "largest");
	arena_free(&f.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ordinary_page_shows_verdict_and_numbers),
		cmocka_unit_test(log_text_is_inert),
		cmocka_unit_test(nothing_at_all_is_a_page),
		cmocka_unit_test(every_metric_missing_is_a_page),
		cmocka_unit_test(extreme_numbers_are_a_page),
		cmocka_unit_test(the_largest_findings_stay_under_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
