/* html_summary.c - the top of the page: what was read, the verdict, the key numbers. */
#include "report/page.h"
#include "report/session_texts.h"
#include "report/verdict_text.h"

#include "analyze/requests.h"

#include <math.h>

enum { FILES_SHOWN = 3, CAUSES_SHOWN = 6 };

static void fact_begin(struct buf *out, const struct page *p, enum text_id name)
{
	buf_str(out, "<div><dt>");
	put_str(out, words(p, name));
	buf_str(out, "</dt><dd>");
}

static void fact_end(struct buf *out)
{
	buf_str(out, "</dd></div>\n");
}

static void more(struct buf *out, const struct page *p, uint64_t n)
{
	struct buf count = { 0 };

	put_count(&count, n);
	buf_char(out, ' ');
	put_filled(out, p, TEXT_PAGE_MORE, (const char *[]){ buf_text(&count), NULL });
	buf_free_into(&count, out);
}

static void fact_files(struct buf *out, const struct page *p)
{
	const struct findings *f = p->f;

	fact_begin(out, p, TEXT_PAGE_FILES);
	for (size_t i = 0; i < f->n_files && i < FILES_SHOWN; i++) {
		buf_str(out, i ? text(TEXT_LIST_COMMA, p->lang) : "");
		put_log_text(out, f->files[i]);
	}
	if (f->n_files > FILES_SHOWN)
		more(out, p, f->n_files - FILES_SHOWN);
	if (!f->n_files)
		put_log_text(out, "");
	fact_end(out);
}

static void fact_of_sessions(struct buf *out, const struct page *p, enum text_id name, session_text *of)
{
	struct buf texts = { 0 };

	session_texts(&texts, p->f, of, p->lang);
	if (texts.used) {
		fact_begin(out, p, name);
		put_text(out, buf_slice(&texts));
		fact_end(out);
	}
	buf_free_into(&texts, out);
}

static void fact_count(struct buf *out, const struct page *p, enum text_id name, uint64_t count)
{
	fact_begin(out, p, name);
	put_count(out, count);
	fact_end(out);
}

void page_facts(struct buf *out, const struct page *p)
{
	const struct findings *f = p->f;
	struct buf lasted = { 0 };

	buf_str(out, "<dl class=\"facts\">\n");
	fact_of_sessions(out, p, TEXT_PAGE_MODEL, session_model);
	fact_of_sessions(out, p, TEXT_PAGE_STRATEGY, session_strategy);
	fact_files(out, p);
	if (f->records) {
		fact_begin(out, p, TEXT_PAGE_SPAN);
		put_time(out, f->from_us);
		buf_str(out, " – ");
		put_time(out, f->to_us);
		put_duration(&lasted, f->to_us - f->from_us);
		put_filled(out, p, TEXT_IN_BRACKETS, (const char *[]){ buf_text(&lasted), NULL });
		fact_end(out);
	}
	fact_count(out, p, TEXT_PAGE_RECORDS, f->records);
	fact_count(out, p, TEXT_PAGE_TOKENS, f->tokens);
	fact_count(out, p, TEXT_PAGE_SESSIONS, f->sessions_total);
	if (f->rule_set && *f->rule_set) {
		fact_begin(out, p, TEXT_PAGE_RULES);
		buf_str(out, "<span title=\"");
		put_str(out, words(p, rule_set_why(f)));
		buf_str(out, "\">");
		put_log_text(out, f->rule_set);
		buf_str(out, "</span>");
		fact_end(out);
	}
	buf_str(out, "</dl>");
	buf_free_into(&lasted, out);
}

/* ---- verdict */

static const struct {
	enum text_id name;
	enum tone tone;
} verdicts[VERDICT_COUNT] = {
	[VERDICT_HEALTHY] = { TEXT_PAGE_HEALTHY, TONE_GOOD },
	[VERDICT_UNDECIDED] = { TEXT_PAGE_UNDECIDED, TONE_NONE },
	[VERDICT_ATTENTION] = { TEXT_PAGE_ATTENTION, TONE_WARN },
	[VERDICT_CRITICAL] = { TEXT_PAGE_CRITICAL, TONE_BAD },
};

static void count_told(struct buf *out, const struct page *p, uint64_t n, enum text_id words)
{
	struct buf count = { 0 };

	put_count(&count, n);
	if (n && !count.failed) {
		buf_str(out, "<p>");
		put_filled(out, p, words, (const char *[]){ count.p, NULL });
		buf_str(out, "</p>");
	}
	buf_free_into(&count, out);
}

static void requests_told(struct buf *out, const struct page *p)
{
	const struct request_counts n = requests_of(p->f);
	struct buf failed = { 0 }, ended = { 0 };

	put_count(&failed, n.failed);
	put_count(&ended, n.ended);
	if (n.failed && !failed.failed && !ended.failed) {
		buf_str(out, "<p>");
		put_filled(out, p, TEXT_TERM_REQUESTS_FAILED, (const char *[]){ failed.p, ended.p, NULL });
		buf_str(out, "</p>");
	}
	buf_free_into(&failed, out);
	buf_free_into(&ended, out);
}

static void reasons(struct buf *out, const struct page *p)
{
	struct buf sentence = { 0 };

	verdict_sentence(&sentence, p->f, p->lang);
	buf_str(out, "<div class=\"why\"><p>");
	put_text(out, buf_slice(&sentence));
	buf_str(out, "</p>");
	count_told(out, p, p->f->skipped_lines, TEXT_PAGE_SKIPPED_WHY);
	count_told(out, p, p->f->missing_records, TEXT_PAGE_MISSING_WHY);
	count_told(out, p, p->f->doubled_records, TEXT_PAGE_DOUBLED_WHY);
	count_told(out, p, p->f->untimed_lines, TEXT_PAGE_UNTIMED_WHY);
	count_told(out, p, p->f->undelivered.alarms, TEXT_PAGE_UNDELIVERED_WHY);
	requests_told(out, p);
	buf_str(out, "</div>");
	buf_free_into(&sentence, out);
}

/* The alarm type with the most records among those not in `taken`. */
static enum alarm_type largest(const struct findings *f, const bool taken[])
{
	int best = ALARM_TYPE_COUNT;

	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		if (!taken[t] && f->anomaly_by_type[t] &&
		    (best == ALARM_TYPE_COUNT || f->anomaly_by_type[t] > f->anomaly_by_type[best]))
			best = t;
	return (enum alarm_type)best;
}

static void causes(struct buf *out, const struct page *p)
{
	bool taken[ALARM_TYPE_COUNT] = { false };
	size_t all = 0;
	enum alarm_type t;

	if (!p->f->anomaly_records)
		return;
	buf_str(out, "<ul class=\"causes\">");
	for (; (t = largest(p->f, taken)) != ALARM_TYPE_COUNT; all++) {
		enum tone tone = severity_tone(alarm_specs[t].severity);

		taken[t] = true;
		if (all >= CAUSES_SHOWN)
			continue;
		buf_printf(out, "<li class=\"chip %s\">", tone_classes[tone]);
		put_icon(out, tone);
		put_str(out, alarm_specs[t].label[p->lang]);
		buf_str(out, " <b>");
		put_count(out, p->f->anomaly_by_type[t]);
		buf_str(out, "</b></li>");
	}
	if (all > CAUSES_SHOWN) { /* in the table of anomalies */
		buf_str(out, "<li>");
		more(out, p, all - CAUSES_SHOWN);
		buf_str(out, "</li>");
	}
	buf_str(out, "</ul>");
}

void page_verdict(struct buf *out, const struct page *p)
{
	enum tone tone = p->f->records ? verdicts[p->f->judgement->verdict].tone : TONE_NONE;
	enum text_id name = p->f->records ? verdicts[p->f->judgement->verdict].name : TEXT_PAGE_EMPTY;

	buf_printf(out, "<section class=\"verdict %s\" aria-labelledby=\"verdict\">\n", tone_classes[tone]);
	put_icon(out, tone);
	buf_str(out, "<h2 id=\"verdict\"><span class=\"sr\">");
	put_str(out, words(p, TEXT_PAGE_VERDICT));
	buf_str(out, ": </span>");
	put_str(out, words(p, name));
	buf_str(out, "</h2>");
	reasons(out, p);
	causes(out, p);
	buf_str(out, "</section>");
}

/* ---- tiles */

enum statistic { S_NONE, S_MEAN, S_MEDIAN, S_P95, S_P99, S_MIN, S_MAX };

/* Number, what it is called; then two smaller ones. */
static const struct tile {
	enum metric_id metric;
	enum statistic big, more[2];
} tiles[] = {
	{ M_TOKEN_LATENCY_MS, S_MEDIAN, { S_P95, S_MAX } },       { M_THROUGHPUT_TPS, S_MEAN, { S_MEDIAN, S_MIN } },
	{ M_TIME_TO_FIRST_TOKEN_MS, S_MEDIAN, { S_P95, S_MAX } }, { M_VRAM_USED_MB, S_MAX, { S_MEAN, S_NONE } },
	{ M_PROCESS_MEMORY_MB, S_MAX, { S_MEAN, S_NONE } },       { M_LOGITS_ENTROPY, S_MEAN, { S_MIN, S_MAX } },
	{ M_TOKEN_REPETITION_PCT, S_MEAN, { S_P95, S_MAX } },     { M_STATE_SIMILARITY, S_MEDIAN, { S_MIN, S_MAX } },
};

static double statistic_of(const struct summary *s, enum statistic which)
{
	switch (which) {
	case S_MEAN:
		return s->mean;
	case S_MEDIAN:
		return s->p50;
	case S_P95:
		return s->p95;
	case S_P99:
		return s->p99;
	case S_MIN:
		return s->min;
	case S_MAX:
		return s->max;
	case S_NONE:
		break;
	}
	return NAN;
}

static const char *statistic_name(const struct page *p, enum statistic which)
{
	switch (which) {
	case S_MEAN:
		return words(p, TEXT_PAGE_MEAN);
	case S_MEDIAN:
		return words(p, TEXT_PAGE_MEDIAN);
	case S_P95:
		return "p95";
	case S_P99:
		return "p99";
	case S_MIN:
		return words(p, TEXT_PAGE_MIN);
	case S_MAX:
		return words(p, TEXT_PAGE_MAX);
	case S_NONE:
		break;
	}
	return "";
}

enum { SPARK_WIDTH = 160, SPARK_HEIGHT = 32, SPARK_STEPS = 80 };

/* The mean over time in at most SPARK_STEPS steps; steps without values are bridged. */
static size_t spark_points(const struct series *s, enum metric_id m, double x[], double y[])
{
	size_t per_step = (s->n + SPARK_STEPS - 1) / SPARK_STEPS, n = 0;

	for (size_t from = 0; from < s->n; from += per_step) {
		double sum = 0, count = 0;

		for (size_t i = from; i < s->n && i < from + per_step; i++)
			if (s->metric[m][i].count && isfinite(s->metric[m][i].mean)) {
				sum += s->metric[m][i].mean * (double)s->metric[m][i].count;
				count += (double)s->metric[m][i].count;
			}
		if (count <= 0 || !isfinite(sum))
			continue;
		x[n] = ((double)from + 0.5 * (double)per_step) / (double)s->n * SPARK_WIDTH;
		y[n++] = sum / count;
	}
	return n;
}

static void put_spark(struct buf *out, const struct series *s, enum metric_id m)
{
	double x[SPARK_STEPS + 1], y[SPARK_STEPS + 1], low = INFINITY, high = -INFINITY;
	size_t n = s->metric[m] ? spark_points(s, m, x, y) : 0;

	if (n < 2)
		return;
	for (size_t i = 0; i < n; i++) {
		low = fmin(low, y[i]);
		high = fmax(high, y[i]);
	}
	for (size_t i = 0; i < n; i++)
		y[i] = high > low ? 3 + (SPARK_HEIGHT - 7) * (1 - (y[i] / (high - low) - low / (high - low)))
				  : SPARK_HEIGHT / 2.0;
	buf_printf(out, "<svg class=\"spark\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
		   SPARK_WIDTH, SPARK_HEIGHT);
	for (int area = 1; area >= 0; area--) {
		buf_printf(out, "<path class=\"%s\" d=\"", area ? "band" : "mean");
		for (size_t i = 0; i < n; i++)
			buf_printf(out, "%c%.1f %.1f", i ? 'L' : 'M', x[i], y[i]);
		if (area)
			buf_printf(out, "L%.1f %dL%.1f %dZ", x[n - 1], SPARK_HEIGHT, x[0], SPARK_HEIGHT);
		buf_str(out, "\"/>");
	}
	buf_str(out, "</svg>");
}

/* The worst tone of the events of that metric; TONE_NONE without any. */
static enum tone tone_of(const struct findings *f, enum metric_id m)
{
	enum tone tone = TONE_NONE;

	for (size_t i = 0; i < f->n_events; i++)
		if (f->event[i].metric == m && severity_tone(f->event[i].severity) > tone)
			tone = severity_tone(f->event[i].severity);
	return tone;
}

static void put_tile(struct buf *out, const struct page *p, const struct tile *t)
{
	const struct summary *s = &p->f->metric[t->metric];
	enum tone tone = tone_of(p->f, t->metric);

	buf_printf(out, "<li class=\"tile%s %s\" title=\"", tone == TONE_NONE ? "" : " flagged", tone_classes[tone]);
	put_str(out, metric_specs[t->metric].help[p->lang]);
	buf_str(out, "\"><h3>");
	put_str(out, metric_specs[t->metric].label[p->lang]);
	buf_printf(out, " <small>%s</small></h3>", statistic_name(p, t->big));
	if (tone != TONE_NONE) {
		buf_str(out, "<span class=\"flag\">");
		put_icon(out, tone);
		buf_printf(out, "<span class=\"sr\">%s</span></span>", words(p, TEXT_PAGE_ANOMALIES));
	}
	buf_str(out, "<p class=\"value\">");
	put_value(out, t->metric, statistic_of(s, t->big));
	put_unit(out, t->metric);
	buf_str(out, "</p><p class=\"more\">");
	for (int i = 0; i < 2 && t->more[i] != S_NONE; i++) {
		buf_printf(out, "<span>%s <b>", statistic_name(p, t->more[i]));
		put_value(out, t->metric, statistic_of(s, t->more[i]));
		buf_str(out, "</b></span> ");
	}
	buf_str(out, "</p>");
	put_spark(out, &p->f->series, t->metric);
	buf_str(out, "</li>\n");
}

void page_tiles(struct buf *out, const struct page *p)
{
	const size_t n = sizeof tiles / sizeof *tiles;
	int shown = 0;

	for (size_t i = 0; i < n; i++)
		shown += p->f->metric[tiles[i].metric].count > 0;
	if (!shown)
		return;
	buf_printf(out, "<ul class=\"tiles\" style=\"--columns:%d\">\n", shown <= 5 ? shown : (shown + 1) / 2);
	for (size_t i = 0; i < n; i++)
		if (p->f->metric[tiles[i].metric].count)
			put_tile(out, p, &tiles[i]);
	buf_str(out, "</ul>");
}
