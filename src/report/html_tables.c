/* html_tables.c - the tables of the page: anomalies, statistics, sessions, skipped lines. */
#include "report/actions.h"
#include "report/gpus.h"
#include "report/page.h"
#include "report/table.h"
#include "report/unjudged.h"
#include "spec/skipped.h"

#include <math.h>

/* ---- anomalies */

static void severity_chip(struct buf *out, const struct page *p, enum severity severity)
{
	static const enum text_id names[SEVERITY_COUNT] = { TEXT_TERM_NOTICE, TEXT_PAGE_WARNING,
							    TEXT_PAGE_CRITICAL_LEVEL };
	enum tone tone = severity_tone(severity);

	buf_printf(out, "<span class=\"chip %s\">", tone_classes[tone]);
	put_icon(out, tone);
	put_str(out, words(p, names[severity]));
	buf_str(out, "</span>");
}

static void type_row(struct buf *out, const struct page *p, enum alarm_type t)
{
	const struct findings *f = p->f;
	double share = f->records ? (double)f->anomaly_by_type[t] / (double)f->records : 0;

	buf_str(out, "<tr><th scope=\"row\">");
	put_str(out, alarm_specs[t].label[p->lang]);
	buf_str(out, "</th><td>");
	severity_chip(out, p, alarm_specs[t].severity);
	buf_str(out, "</td>");
	table_count(out, f->anomaly_by_type[t]);
	buf_printf(out, "<td class=\"nowrap\"><span class=\"bar %s\"><i style=\"width:%.2f%%\"></i></span>",
		   tone_classes[severity_tone(alarm_specs[t].severity)], 100 * fmin(share, 1));
	put_percent(out, (double)f->anomaly_by_type[t], (double)f->records);
	buf_str(out, "</td>");
	table_count(out, f->live_alarms[t]);
	buf_str(out, "</tr>\n");
}

static void types_table(struct buf *out, const struct page *p)
{
	table_begin(out, words(p, TEXT_PAGE_ANOMALIES));
	table_head_words(out, p, TEXT_PAGE_TYPE, false);
	table_head_words(out, p, TEXT_PAGE_SEVERITY, false);
	table_head_words(out, p, TEXT_PAGE_RECORDS, true);
	table_head_words(out, p, TEXT_PAGE_OF_RECORDS, false);
	table_head_words(out, p, TEXT_PAGE_LIVE, true);
	table_body(out);
	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		if (p->f->anomaly_by_type[t] || p->f->live_alarms[t])
			type_row(out, p, (enum alarm_type)t);
	table_end(out);
}

static void event_row(struct buf *out, const struct page *p, size_t at)
{
	const struct anomaly_event *e = &p->f->event[at];

	buf_str(out, "<tr><th scope=\"row\">");
	put_time(out, e->from_us);
	buf_str(out, "</th><td class=\"nowrap\">");
	put_str(out, alarm_specs[e->type].label[p->lang]);
	buf_str(out, "</td><td>");
	severity_chip(out, p, e->severity);
	buf_str(out, "</td>");
	table_value(out, e->metric, e->worst);
	table_value(out, e->metric, e->limit);
	buf_str(out, "<td class=\"nowrap\"><span class=\"unit\">");
	put_str(out, metric_specs[e->metric].label[p->lang]);
	put_unit(out, e->metric);
	buf_str(out, "</span></td>");
	table_count(out, e->records);
	buf_str(out, "<td class=\"n\">");
	if (e->to_us > e->from_us)
		put_duration(out, e->to_us - e->from_us);
	else
		buf_str(out, "–");
	buf_str(out, "</td>");
	table_log_text(out, e->session_id);
	buf_printf(out, "<td><button type=\"button\" data-event=\"%zu\" aria-label=\"", at);
	put_str(out, words(p, TEXT_PAGE_SHOW_LABEL));
	buf_str(out, "\" hidden>");
	put_str(out, words(p, TEXT_PAGE_SHOW));
	buf_str(out, "</button></td></tr>\n");
}

/* The advice of the rules that were broken. */
static void advice_list(struct buf *out, const struct page *p)
{
	bool any = false;

	for (int t = 0; t < ALARM_TYPE_COUNT; t++) {
		const char *advice = p->f->anomaly_advice[t][p->lang];

		if (!advice || !*advice)
			continue;
		if (!any) {
			buf_str(out, "<h3>");
			put_str(out, words(p, TEXT_PAGE_ADVICE));
			buf_str(out, "</h3><ul class=\"evidence\">\n");
		}
		any = true;
		buf_str(out, "<li><b>");
		put_str(out, alarm_specs[t].label[p->lang]);
		buf_str(out, "</b> ");
		put_str(out, advice);
		buf_str(out, "</li>\n");
	}
	buf_str(out, any ? "</ul>\n" : "");
}

static void events_table(struct buf *out, const struct page *p)
{
	const struct findings *f = p->f;
	size_t n = f->n_events < PAGE_EVENTS_MAX ? f->n_events : PAGE_EVENTS_MAX;

	buf_str(out, "<h3>");
	put_str(out, words(p, TEXT_PAGE_EVENTS));
	buf_str(out, "</h3>\n");
	table_begin(out, words(p, TEXT_PAGE_EVENTS));
	table_head_words(out, p, TEXT_PAGE_FROM, false);
	table_head_words(out, p, TEXT_PAGE_TYPE, false);
	table_head_words(out, p, TEXT_PAGE_SEVERITY, false);
	table_head_words(out, p, TEXT_PAGE_WORST, true);
	table_head_words(out, p, TEXT_PAGE_LIMIT_HEAD, true);
	table_head_words(out, p, TEXT_PAGE_METRIC, false);
	table_head_words(out, p, TEXT_PAGE_RECORDS, true);
	table_head_words(out, p, TEXT_PAGE_DURATION, true);
	table_head_words(out, p, TEXT_PAGE_SESSION, false);
	buf_str(out, "<td></td>");
	table_body(out);
	for (size_t i = 0; i < n; i++)
		event_row(out, p, i);
	table_end(out);
	if (f->events_total > n)
		table_note(out, p, TEXT_PAGE_EVENTS_CUT, n, f->events_total);
}

static bool any_anomaly(const struct findings *f)
{
	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		if (f->anomaly_by_type[t] || f->live_alarms[t])
			return true;
	return f->n_events > 0;
}

void page_unjudged(struct buf *out, const struct page *p)
{
	struct buf line = { 0 };

	if (!p->f->n_unjudged)
		return;
	unjudged_text(&line, p->f->unjudged, p->f->n_unjudged, p->lang);
	put_text(out, buf_slice(&line));
	buf_free_into(&line, out);
}

static void done(struct buf *out, const struct page *p)
{
	struct buf said = { 0 };

	actions_text(&said, &p->f->actions, p->lang);
	if (said.used) {
		buf_str(out, "<p>");
		put_str(out, said.p);
		buf_str(out, "</p>\n");
	}
	buf_free_into(&said, out);
}

void page_anomalies(struct buf *out, const struct page *p)
{
	buf_str(out, p->f->n_unjudged ? "<p class=\"note\">" : "");
	page_unjudged(out, p);
	buf_str(out, p->f->n_unjudged ? "</p>" : "");
	done(out, p);
	if (!any_anomaly(p->f)) {
		buf_str(out, "<p>");
		put_str(out, words(p, TEXT_PAGE_NO_ANOMALIES));
		buf_str(out, "</p>");
		return;
	}
	types_table(out, p);
	advice_list(out, p);
	if (p->f->n_events)
		events_table(out, p);
}

/* ---- statistics */

static void statistics_row(struct buf *out, const struct page *p, enum metric_id m, const struct summary *s)
{
	const double values[] = { s->mean, s->stddev, s->min, s->p50, s->p90, s->p95, s->p99, s->max };

	buf_str(out, "<tr><th scope=\"row\" title=\"");
	put_str(out, metric_specs[m].help[p->lang]);
	buf_str(out, "\">");
	put_str(out, metric_specs[m].label[p->lang]);
	put_unit(out, m);
	buf_str(out, "</th>");
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		table_value(out, m, values[i]);
	table_count(out, s->count);
	table_count(out, s->missing);
	table_count(out, s->nonfinite);
	buf_str(out, "</tr>\n");
}

static void statistics_group(struct buf *out, const struct page *p, enum metric_group group, const struct summary *of)
{
	static const enum text_id names[] = { TEXT_PAGE_PERFORMANCE, TEXT_PAGE_RESOURCES, TEXT_PAGE_ACCURACY };
	bool begun = false;

	for (int m = 0; m < METRIC_COUNT; m++) {
		if (metric_specs[m].group != group || !of[m].count)
			continue;
		if (!begun) {
			buf_str(out, "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"12\">");
			put_str(out, words(p, names[group]));
			buf_str(out, "</th></tr>\n");
		}
		begun = true;
		statistics_row(out, p, (enum metric_id)m, &of[m]);
	}
}

static void statistics_table(struct buf *out, const struct page *p, enum text_id name, const struct summary *of)
{
	table_begin(out, words(p, name));
	table_head_words(out, p, TEXT_PAGE_METRIC, false);
	table_head_words(out, p, TEXT_PAGE_MEAN, true);
	table_head_words(out, p, TEXT_PAGE_STDDEV, true);
	table_head_words(out, p, TEXT_PAGE_MIN, true);
	table_head(out, "p50", true);
	table_head(out, "p90", true);
	table_head(out, "p95", true);
	table_head(out, "p99", true);
	table_head_words(out, p, TEXT_PAGE_MAX, true);
	table_head_words(out, p, TEXT_PAGE_COUNT, true);
	table_head_words(out, p, TEXT_PAGE_MISSING, true);
	table_head_words(out, p, TEXT_PAGE_NONFINITE, true);
	table_body(out);
	for (int g = 0; g < METRIC_GROUP_COUNT; g++)
		statistics_group(out, p, (enum metric_group)g, of);
	table_end(out);
}

static bool any_value(const struct summary *of)
{
	for (int m = 0; m < METRIC_COUNT; m++)
		if (of[m].count)
			return true;
	return false;
}

static void absent_metrics(struct buf *out, const struct page *p)
{
	struct buf names = { 0 };

	for (int m = 0; m < METRIC_COUNT; m++)
		if (metric_specs[m].core && !p->f->metric[m].count) {
			buf_str(&names, !names.used ? "" : text(TEXT_COMMA, p->lang));
			put_str(&names, metric_specs[m].label[p->lang]);
		}
	if (names.used && !names.failed) {
		buf_str(out, "<p class=\"note\">");
		put_filled(out, p, TEXT_PAGE_NOT_IN_LOG, (const char *[]){ names.p, NULL });
		buf_str(out, "</p>\n");
	}
	buf_free_into(&names, out);
}

static void gpu_item(void *ctx, const char *line)
{
	struct buf *out = ctx;

	buf_str(out, "<li>");
	put_str(out, line);
	buf_str(out, "</li>");
}

/* Only where the log tells several apart. */
static void gpu_list(struct buf *out, const struct page *p)
{
	if (!gpus_known(p->f))
		return;
	buf_str(out, "<ul>");
	out->failed |= !gpus_each(p->f, p->lang, gpu_item, out);
	buf_str(out, "</ul>\n");
}

void page_statistics(struct buf *out, const struct page *p)
{
	static const enum text_id names[PHASE_COUNT] = {
		[PHASE_UNKNOWN] = TEXT_PAGE_OTHER_PHASE,
		[PHASE_PREFILL] = TEXT_PAGE_PREFILL,
		[PHASE_DECODE] = TEXT_PAGE_DECODE,
	};
	static const enum phase order[] = { PHASE_PREFILL, PHASE_DECODE, PHASE_UNKNOWN };

	if (any_value(p->f->metric))
		statistics_table(out, p, TEXT_PAGE_OVERALL, p->f->metric);
	absent_metrics(out, p);
	gpu_list(out, p);
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		if (!any_value(p->f->phase[order[i]]))
			continue;
		buf_str(out, "<details class=\"section-details\"><summary>");
		put_str(out, words(p, names[order[i]]));
		buf_str(out, "</summary>");
		statistics_table(out, p, names[order[i]], p->f->phase[order[i]]);
		buf_str(out, "</details>\n");
	}
}

/* ---- sessions */

static void correlation_cell(struct buf *out, const struct page *p, const struct session_findings *s)
{
	double r = s->similarity_entropy_pearson;

	buf_str(out, "<td class=\"n\">");
	if (!isfinite(r)) {
		buf_str(out, "–</td>");
		return;
	}
	if (s->collapse_warning) {
		buf_str(out, "<span class=\"chip tone-warn\">");
		put_icon(out, TONE_WARN);
		put_str(out, words(p, TEXT_PAGE_COLLAPSE));
		buf_str(out, "</span> ");
	}
	buf_printf(out, "%s%.2f</td>", r < 0 ? "−" : "", fabs(r));
}

static double known(const struct summary *s, double value)
{
	return s->count ? value : NAN;
}

/* Otherwise the top of the page shows it already. */
static bool several_models(const struct findings *f)
{
	for (size_t i = 1; i < f->n_sessions && i < PAGE_SESSIONS_MAX; i++)
		if (strcmp(f->session[i].model_name, f->session[0].model_name) ||
		    strcmp(f->session[i].strategy, f->session[0].strategy))
			return true;
	return false;
}

static void session_row(struct buf *out, const struct page *p, const struct session_findings *s)
{
	const struct summary latency = session_metric(s, M_TOKEN_LATENCY_MS),
			     speed = session_metric(s, M_THROUGHPUT_TPS);
	const struct summary similarity = session_metric(s, M_STATE_SIMILARITY);

	buf_str(out, "<tr><th scope=\"row\"><span class=\"long\">");
	put_log_text(out, s->session_id);
	buf_str(out, "</span></th>");
	if (several_models(p->f)) {
		table_log_text(out, s->model_name);
		table_log_text(out, s->strategy);
	}
	buf_str(out, "<td>");
	put_time(out, s->from_us);
	buf_str(out, "</td><td class=\"n\">");
	put_duration(out, s->to_us - s->from_us);
	buf_str(out, "</td>");
	table_count(out, s->records);
	table_count(out, s->tokens);
	table_value(out, M_TOKEN_LATENCY_MS, known(&latency, latency.p50));
	table_value(out, M_TOKEN_LATENCY_MS, known(&latency, latency.p95));
	table_value(out, M_THROUGHPUT_TPS, known(&speed, speed.mean));
	table_value(out, M_STATE_SIMILARITY, known(&similarity, similarity.p50));
	correlation_cell(out, p, s);
	buf_str(out, "</tr>\n");
}

static void head_of_metric(struct buf *out, const struct page *p, enum metric_id m, const char *statistic)
{
	buf_str(out, "<th scope=\"col\" class=\"n\">");
	put_str(out, metric_specs[m].label[p->lang]);
	buf_printf(out, " %s", statistic);
	put_unit(out, m);
	buf_str(out, "</th>");
}

void page_sessions(struct buf *out, const struct page *p)
{
	const struct findings *f = p->f;
	size_t n = f->n_sessions < PAGE_SESSIONS_MAX ? f->n_sessions : PAGE_SESSIONS_MAX;

	if (!n)
		return;
	buf_str(out, "<section aria-labelledby=\"sessions\"><h2 id=\"sessions\">");
	put_str(out, words(p, TEXT_PAGE_SESSIONS));
	buf_str(out, "</h2>\n");
	table_begin(out, words(p, TEXT_PAGE_SESSIONS));
	table_head_words(out, p, TEXT_PAGE_SESSION, false);
	if (several_models(f)) {
		table_head_words(out, p, TEXT_PAGE_MODEL, false);
		table_head_words(out, p, TEXT_PAGE_STRATEGY, false);
	}
	table_head_words(out, p, TEXT_PAGE_FROM, false);
	table_head_words(out, p, TEXT_PAGE_DURATION, true);
	table_head_words(out, p, TEXT_PAGE_RECORDS, true);
	table_head_words(out, p, TEXT_PAGE_TOKENS, true);
	head_of_metric(out, p, M_TOKEN_LATENCY_MS, "p50");
	head_of_metric(out, p, M_TOKEN_LATENCY_MS, "p95");
	head_of_metric(out, p, M_THROUGHPUT_TPS, words(p, TEXT_PAGE_MEAN));
	head_of_metric(out, p, M_STATE_SIMILARITY, "p50");
	table_head_words(out, p, TEXT_PAGE_CORRELATION, true);
	table_body(out);
	for (size_t i = 0; i < n; i++)
		session_row(out, p, &f->session[i]);
	table_end(out);
	if (f->sessions_total > n)
		table_note(out, p, TEXT_PAGE_SESSIONS_CUT, n, f->sessions_total);
	buf_str(out, "</section>");
}

/* ---- skipped lines */

void page_skipped(struct buf *out, const struct page *p)
{
	const struct findings *f = p->f;

	if (!f->skipped_lines)
		return;
	buf_str(out, "<section aria-labelledby=\"skipped\"><h2 id=\"skipped\">");
	put_str(out, words(p, TEXT_PAGE_SKIPPED));
	buf_str(out, "</h2>\n");
	table_begin(out, words(p, TEXT_PAGE_SKIPPED));
	table_head_words(out, p, TEXT_PAGE_FILE, false);
	table_head_words(out, p, TEXT_PAGE_LINE, true);
	table_head_words(out, p, TEXT_PAGE_REASON, false);
	table_body(out);
	for (size_t i = 0; i < f->n_skipped; i++) {
		buf_str(out, "<tr>");
		table_log_text(out, f->skipped[i].file);
		table_count(out, f->skipped[i].line);
		table_log_text(out, skipped_reason(f->skipped[i].reason, p->lang));
		buf_str(out, "</tr>\n");
	}
	table_end(out);
	if (f->skipped_lines > f->n_skipped)
		table_note(out, p, TEXT_PAGE_SKIPPED_CUT, f->n_skipped, f->skipped_lines);
	buf_str(out, "</section>");
}
