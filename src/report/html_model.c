/* html_model.c - the page's data as one JSON object, which report.js draws without knowing any metric:
 *
 *  { "lang", "text": {PAGE_…: words},
 *    "metric": {id: {"label", "unit", "decimals", "statistics": {mean, min, max, p50, …}}},
 *    "panels": [{"id", "phase", "lines": [{"metric", "band"}], "limits": [{"metric", "over", "value"}]}],
 *    "series": [{"session", "from_us", "width_us", "n", "metric": {id: {"mean", "min", "max"}}}],
 *    "sessions_undrawn": those without a series of their own here,
 *    "histogram": {phase: {"low", "high", "bin", "count", "p50", "p95", "p99"}},
 *    "events": [{"label", "severity", "session", "from_us", "to_us", "metric", "worst", "limit"}] }
 *
 * The first series is the whole log's ("session": null); arrays hold null where nothing is. */
#include "analyze/departures.h"
#include "report/page.h"

#include <math.h>

/* Six digits suffice: a screen shows fewer. */
enum { DIGITS = 6 };

static void short_number(struct json *out, const char *key, double value)
{
	jw_put_digits(out, key, value, DIGITS);
}

static void model_texts(struct json *out, const struct page *p)
{
	jw_put_object(out, "text");
#define TEXT(name, en, zh)                                                                                             \
	if (!strncmp(#name, "PAGE_", 5))                                                                               \
		jw_put_text(out, #name, words(p, TEXT_##name));
#include "spec/text.def"
#undef TEXT
	jw_end(out);
}

static void model_metrics(struct json *out, const struct page *p)
{
	jw_put_object(out, "metric");
	for (int m = 0; m < METRIC_COUNT; m++) {
		const struct summary *s = &p->f->metric[m];

		if (!s->count)
			continue;
		jw_put_object(out, metric_specs[m].id);
		jw_put_text(out, "label", metric_specs[m].label[p->lang]);
		jw_put_text(out, "unit", metric_specs[m].unit);
		short_number(out, "decimals", metric_specs[m].decimals);
		short_number(out, "mean", s->mean);
		short_number(out, "min", s->min);
		short_number(out, "max", s->max);
		jw_end(out);
	}
	jw_end(out);
}

/* ---- limits: those that judged this log, and no others */

/* A limit that differs between sessions is not drawn as a line across the chart. */
static bool moves(const struct findings *f, const struct limit_in_force *limit)
{
	enum { LINES_MAX = 3 };
	size_t n = 0;

	for (size_t i = 0; i < f->n_limits; i++)
		n += f->limit[i].metric == limit->metric && f->limit[i].above == limit->above;
	return n > LINES_MAX;
}

static void put_limit(struct json *out, enum metric_id m, double value)
{
	jw_object(out);
	jw_put_text(out, "metric", metric_specs[m].id);
	short_number(out, "value", value);
	jw_end(out);
}

static bool on_panel(enum panel_id panel, enum metric_id m)
{
	for (size_t i = 0; i < line_spec_count; i++)
		if (line_specs[i].panel == panel && line_specs[i].metric == m)
			return true;
	return false;
}

static void panel_limits(struct json *out, const struct findings *f, enum panel_id panel)
{
	jw_put_array(out, "limits");
	for (size_t i = 0; i < f->n_limits; i++)
		if (on_panel(panel, f->limit[i].metric) && isfinite(f->limit[i].value) && !moves(f, &f->limit[i]))
			put_limit(out, f->limit[i].metric, f->limit[i].value);
	jw_end(out);
}

static void panel_lines(struct json *out, const struct findings *f, enum panel_id panel)
{
	jw_put_array(out, "lines");
	for (size_t i = 0; i < line_spec_count; i++) {
		if (line_specs[i].panel != panel || !f->metric[line_specs[i].metric].count)
			continue;
		jw_object(out);
		jw_put_text(out, "metric", metric_specs[line_specs[i].metric].id);
		jw_put_bool(out, "band", line_specs[i].style == LINE_BAND);
		jw_end(out);
	}
	jw_end(out);
}

static const char *phase_name(enum phase phase)
{
	return phase == PHASE_UNKNOWN ? "unknown" : phase_ids[phase];
}

static void model_panels(struct json *out, const struct page *p)
{
	jw_put_array(out, "panels");
	for (int panel = 0; panel < PANEL_COUNT; panel++) {
		enum phase phase = panel_phase((enum panel_id)panel);

		if (!page_panel_occurs(p->f, (enum panel_id)panel)) /* the live page draws those of a single dot, too */
			continue;
		jw_object(out);
		jw_put_text(out, "id", panel_specs[panel].id);
		if (phase != PHASE_COUNT)
			jw_put_text(out, "phase", phase_name(phase));
		panel_lines(out, p->f, (enum panel_id)panel);
		panel_limits(out, p->f, (enum panel_id)panel);
		jw_end(out);
	}
	jw_end(out);
}

/* ---- series */

static bool banded(enum metric_id m)
{
	for (size_t i = 0; i < line_spec_count; i++)
		if (line_specs[i].metric == m && line_specs[i].style == LINE_BAND)
			return true;
	return false;
}

static bool charted(enum metric_id m)
{
	for (size_t i = 0; i < line_spec_count; i++)
		if (line_specs[i].metric == m && panel_phase(line_specs[i].panel) == PHASE_COUNT)
			return true;
	return false;
}

static void bucket_numbers(struct json *out, const char *name, const struct bucket *b, size_t n, size_t field)
{
	jw_put_array(out, name);
	for (size_t i = 0; i < n; i++) {
		double value;

		memcpy(&value, (const char *)&b[i] + field, sizeof value);
		jw_digits(out, b[i].count ? value : NAN, DIGITS);
	}
	jw_end(out);
}

void page_series(struct json *out, const struct series *s, const char *session)
{
	jw_object(out);
	jw_put_slice(out, "session", session ? shown_part(session) : (struct slice){ 0 });
	jw_put_i64(out, "from_us", s->from_us);
	jw_put_i64(out, "width_us", s->width_us);
	jw_put_u64(out, "n", s->n);
	jw_put_object(out, "metric");
	for (int m = 0; m < METRIC_COUNT; m++) {
		if (!s->metric[m] || !charted((enum metric_id)m))
			continue;
		jw_put_object(out, metric_specs[m].id);
		bucket_numbers(out, "mean", s->metric[m], s->n, offsetof(struct bucket, mean));
		if (banded((enum metric_id)m)) {
			bucket_numbers(out, "min", s->metric[m], s->n, offsetof(struct bucket, min));
			bucket_numbers(out, "max", s->metric[m], s->n, offsetof(struct bucket, max));
		}
		jw_end(out);
	}
	jw_end(out);
	jw_end(out);
}

/* The whole log's, then as many sessions' own as PAGE_SERIES_BYTES hold. */
static void model_series(struct json *out, const struct page *p)
{
	struct buf one = { 0 };
	size_t left = PAGE_SERIES_BYTES, drawn = 0;

	jw_put_array(out, "series");
	page_series(out, &p->f->series, NULL);
	for (size_t i = 0; i < p->f->n_sessions && p->f->n_sessions > 1; i++) {
		struct json alone = { .out = &one };

		if (!p->f->session[i].series)
			continue;
		buf_rewind(&one);
		page_series(&alone, p->f->session[i].series, p->f->session[i].session_id);
		if (one.failed || one.used > left)
			continue;
		left -= one.used;
		drawn++;
		jw_raw(out, buf_slice(&one));
	}
	jw_end(out);
	jw_put_u64(out, "sessions_undrawn", p->f->sessions_total > 1 ? p->f->sessions_total - drawn : 0);
	buf_free_into(&one, out->out);
}

static void model_histograms(struct json *out, const struct page *p)
{
	jw_put_object(out, "histogram");
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		const struct histogram *h = &p->f->latency[phase];
		const struct summary *s = &p->f->phase[phase][M_TOKEN_LATENCY_MS];

		if (!h->n)
			continue;
		jw_put_object(out, phase_name((enum phase)phase));
		jw_put_array(out, "bin");
		for (size_t i = 0; i < h->n; i++)
			jw_u64(out, h->bin[i]);
		jw_end(out);
		short_number(out, "low", h->low);
		short_number(out, "high", h->high);
		short_number(out, "p50", s->p50);
		short_number(out, "p95", s->p95);
		short_number(out, "p99", s->p99);
		jw_end(out);
	}
	jw_end(out);
}

static void model_events(struct json *out, const struct page *p)
{
	jw_put_array(out, "events");
	for (size_t i = 0; i < p->f->n_events && i < PAGE_EVENTS_MAX; i++) {
		const struct anomaly_event *e = &p->f->event[i];

		jw_object(out);
		jw_put_text(out, "label", alarm_specs[e->type].label[p->lang]);
		jw_put_text(out, "severity", severity_ids[e->severity]);
		jw_put_slice(out, "session", shown_part(e->session_id));
		jw_put_text(out, "metric", metric_specs[e->metric].id);
		jw_put_i64(out, "from_us", e->from_us);
		jw_put_i64(out, "to_us", e->to_us);
		jw_end(out);
	}
	jw_end(out);
}

/* A lane along the lower edge of the charts that draw the metric. */
static void model_unusual(struct json *out, const struct page *p)
{
	jw_put_array(out, "unusual");
	for (size_t i = 0; i < p->f->n_departures; i++)
		for (size_t k = 0; k < p->f->departure[i].n; k++) {
			const struct departure *d = &p->f->departure[i];

			jw_object(out);
			jw_put_text(out, "metric", metric_specs[d->of[k].metric].id);
			jw_put_i64(out, "from_us", d->from_us);
			jw_put_i64(out, "to_us", d->to_us);
			jw_end(out);
		}
	jw_end(out);
}

void page_model(struct json *out, const struct page *p)
{
	jw_object(out);
	jw_put_text(out, "lang", lang_codes[p->lang]);
	model_texts(out, p);
	model_metrics(out, p);
	model_panels(out, p);
	model_series(out, p);
	model_histograms(out, p);
	model_events(out, p);
	model_unusual(out, p);
	jw_end(out);
}
