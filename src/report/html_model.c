/* The page's data as one JSON object, which report.js draws without knowing any metric:
 *
 *  { "lang", "text": {PAGE_…: words},
 *    "metric": {id: {"label", "unit", "decimals", "statistics": {mean, min, max, p50, …}}},
 *    "panels": [{"id", "phase", "lines": [{"metric", "band"}], "limits": [{"metric", "over", "value"}]}],
 *    "series": [{"session", "from_us", "width_us", "n", "metric": {id: {"mean", "min", "max"}}}],
 *    "histogram": {phase: {"low", "high", "bin", "count", "p50", "p95", "p99"}},
 *    "events": [{"label", "severity", "session", "from_us", "to_us", "metric", "worst", "limit"}] }
 *
 * The first series is the whole log's ("session": null); arrays hold null where nothing is. */
#include "report/page.h"

#include <math.h>

static void key(struct buf *out, const char *name, bool first)
{
	buf_str(out, first ? "\"" : ",\"");
	buf_str(out, name);
	buf_str(out, "\":");
}

static void key_string(struct buf *out, const char *name, const char *value, bool first)
{
	key(out, name, first);
	buf_json_string(out, slice_of(value));
}

/* Six digits are more than a screen shows. */
static void number(struct buf *out, double value)
{
	if (isfinite(value))
		buf_printf(out, "%.6g", value);
	else
		buf_str(out, "null");
}

static void key_number(struct buf *out, const char *name, double value)
{
	key(out, name, false);
	number(out, value);
}

static void model_texts(struct buf *out, const struct page *p)
{
	bool first = true;

	key(out, "text", false);
	buf_char(out, '{');
#define TEXT(name, en, zh)                                                                                            \
	if (!strncmp(#name, "PAGE_", 5)) {                                                                            \
		key_string(out, #name, words(p, TEXT_##name), first);                                                 \
		first = false;                                                                                        \
	}
#include "spec/text.def"
#undef TEXT
	buf_char(out, '}');
}

static void model_metrics(struct buf *out, const struct page *p)
{
	bool first = true;

	key(out, "metric", false);
	buf_char(out, '{');
	for (int m = 0; m < METRIC_COUNT; m++) {
		const struct summary *s = &p->f->metric[m];

		if (!s->count)
			continue;
		key(out, metric_specs[m].id, first);
		first = false;
		buf_char(out, '{');
		key_string(out, "label", metric_specs[m].label[p->lang], true);
		key_string(out, "unit", metric_specs[m].unit, false);
		key_number(out, "decimals", metric_specs[m].decimals);
		key_number(out, "mean", s->mean);
		key_number(out, "min", s->min);
		key_number(out, "max", s->max);
		buf_char(out, '}');
	}
	buf_char(out, '}');
}

/* ---- limits: those that judged this log; where none did, those that the chart declares */

static bool judged(const struct findings *f, enum metric_id m)
{
	for (size_t i = 0; i < f->n_limits; i++)
		if (f->limit[i].metric == m && isfinite(f->limit[i].value))
			return true;
	return false;
}

/* A limit that differs from session to session is no line across a chart. */
static bool moves(const struct findings *f, const struct limit_in_force *limit)
{
	enum { LINES_MAX = 3 };
	size_t n = 0;

	for (size_t i = 0; i < f->n_limits; i++)
		n += f->limit[i].metric == limit->metric && f->limit[i].above == limit->above;
	return n > LINES_MAX;
}

static void put_limit(struct buf *out, enum metric_id m, double value, bool *first)
{
	buf_str(out, *first ? "{" : ",{");
	*first = false;
	key_string(out, "metric", metric_specs[m].id, true);
	key_number(out, "value", value);
	buf_char(out, '}');
}

static bool on_panel(enum panel_id panel, enum metric_id m)
{
	for (size_t i = 0; i < line_spec_count; i++)
		if (line_specs[i].panel == panel && line_specs[i].metric == m)
			return true;
	return false;
}

/* Accuracy limits depend on the vocabulary and are drawn only when they judged; but 0.8 is the published mark of
 * every similarity chart. */
static bool holds_everywhere(enum metric_id m)
{
	return metric_specs[m].group != METRIC_ACCURACY || m == M_STATE_SIMILARITY;
}

static void panel_limits(struct buf *out, const struct findings *f, enum panel_id panel)
{
	bool first = true;

	key(out, "limits", false);
	buf_char(out, '[');
	for (size_t i = 0; i < f->n_limits; i++)
		if (on_panel(panel, f->limit[i].metric) && isfinite(f->limit[i].value) && !moves(f, &f->limit[i]))
			put_limit(out, f->limit[i].metric, f->limit[i].value, &first);
	for (size_t i = 0; i < limit_spec_count; i++) {
		enum metric_id m = limit_specs[i].metric;

		if (limit_specs[i].panel == panel && f->metric[m].count && !judged(f, m) && holds_everywhere(m))
			put_limit(out, m, limit_specs[i].value, &first);
	}
	buf_char(out, ']');
}

static void panel_lines(struct buf *out, const struct findings *f, enum panel_id panel)
{
	bool first = true;

	key(out, "lines", false);
	buf_char(out, '[');
	for (size_t i = 0; i < line_spec_count; i++) {
		if (line_specs[i].panel != panel || !f->metric[line_specs[i].metric].count)
			continue;
		buf_str(out, first ? "{" : ",{");
		first = false;
		key_string(out, "metric", metric_specs[line_specs[i].metric].id, true);
		key(out, "band", false);
		buf_str(out, line_specs[i].style == LINE_BAND ? "true}" : "false}");
	}
	buf_char(out, ']');
}

static const char *phase_name(enum phase phase)
{
	return phase == PHASE_UNKNOWN ? "unknown" : phase_ids[phase];
}

static void model_panels(struct buf *out, const struct page *p)
{
	bool first = true;

	key(out, "panels", false);
	buf_char(out, '[');
	for (int panel = 0; panel < PANEL_COUNT; panel++) {
		enum phase phase = panel_phase((enum panel_id)panel);

		if (!page_panel_occurs(p->f, (enum panel_id)panel))
			continue;
		buf_str(out, first ? "{" : ",{");
		first = false;
		key_string(out, "id", panel_specs[panel].id, true);
		if (phase != PHASE_COUNT)
			key_string(out, "phase", phase_name(phase), false);
		panel_lines(out, p->f, (enum panel_id)panel);
		panel_limits(out, p->f, (enum panel_id)panel);
		buf_char(out, '}');
	}
	buf_char(out, ']');
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

static void bucket_numbers(struct buf *out, const char *name, const struct bucket *b, size_t n, size_t field)
{
	key(out, name, field == offsetof(struct bucket, mean));
	for (size_t i = 0; i < n; i++) {
		double value;

		memcpy(&value, (const char *)&b[i] + field, sizeof value);
		buf_char(out, i ? ',' : '[');
		number(out, b[i].count ? value : NAN);
	}
	buf_str(out, n ? "]" : "[]");
}

void page_series(struct buf *out, const struct series *s, const char *session)
{
	bool first = true;

	buf_str(out, "{\"session\":");
	if (session)
		buf_json_string(out, shown_part(session));
	else
		buf_str(out, "null");
	buf_printf(out, ",\"from_us\":%lld,\"width_us\":%lld,\"n\":%zu,\"metric\":{", (long long)s->from_us,
		   (long long)s->width_us, s->n);
	for (int m = 0; m < METRIC_COUNT; m++) {
		if (!s->metric[m] || !charted((enum metric_id)m))
			continue;
		key(out, metric_specs[m].id, first);
		first = false;
		buf_char(out, '{');
		bucket_numbers(out, "mean", s->metric[m], s->n, offsetof(struct bucket, mean));
		if (banded((enum metric_id)m)) {
			bucket_numbers(out, "min", s->metric[m], s->n, offsetof(struct bucket, min));
			bucket_numbers(out, "max", s->metric[m], s->n, offsetof(struct bucket, max));
		}
		buf_char(out, '}');
	}
	buf_str(out, "}}");
}

/* The whole log's, then as many sessions' own as PAGE_SERIES_BYTES hold. */
static void model_series(struct buf *out, const struct page *p)
{
	struct buf one = { 0 };
	size_t left = PAGE_SERIES_BYTES;

	key(out, "series", false);
	buf_char(out, '[');
	page_series(out, &p->f->series, NULL);
	for (size_t i = 0; i < p->f->n_sessions && p->f->n_sessions > 1; i++) {
		if (!p->f->session[i].series)
			continue;
		buf_clear(&one);
		page_series(&one, p->f->session[i].series, p->f->session[i].session_id);
		if (one.failed || one.used > left)
			continue;
		left -= one.used;
		buf_char(out, ',');
		buf_add(out, one.p, one.used);
	}
	buf_char(out, ']');
	buf_free(&one);
}

static void model_histograms(struct buf *out, const struct page *p)
{
	bool first = true;

	key(out, "histogram", false);
	buf_char(out, '{');
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		const struct histogram *h = &p->f->latency[phase];
		const struct summary *s = &p->f->phase[phase][M_TOKEN_LATENCY_MS];

		if (!h->n)
			continue;
		key(out, phase_name((enum phase)phase), first);
		first = false;
		buf_str(out, "{\"bin\":[");
		for (size_t i = 0; i < h->n; i++)
			buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)h->bin[i]);
		buf_char(out, ']');
		key_number(out, "low", h->low);
		key_number(out, "high", h->high);
		key_number(out, "p50", s->p50);
		key_number(out, "p95", s->p95);
		key_number(out, "p99", s->p99);
		buf_char(out, '}');
	}
	buf_char(out, '}');
}

static void model_events(struct buf *out, const struct page *p)
{
	key(out, "events", false);
	buf_char(out, '[');
	for (size_t i = 0; i < p->f->n_events && i < PAGE_EVENTS_MAX; i++) {
		const struct anomaly_event *e = &p->f->event[i];

		buf_str(out, i ? ",{" : "{");
		key_string(out, "label", alarm_specs[e->type].label[p->lang], true);
		key_string(out, "severity", severity_ids[e->severity], false);
		key(out, "session", false);
		buf_json_string(out, shown_part(e->session_id));
		key_string(out, "metric", metric_specs[e->metric].id, false);
		buf_printf(out, ",\"from_us\":%lld,\"to_us\":%lld}", (long long)e->from_us, (long long)e->to_us);
	}
	buf_char(out, ']');
}

void page_model(struct buf *out, const struct page *p)
{
	buf_char(out, '{');
	key_string(out, "lang", lang_codes[p->lang], true);
	model_texts(out, p);
	model_metrics(out, p);
	model_panels(out, p);
	model_series(out, p);
	model_histograms(out, p);
	model_events(out, p);
	buf_char(out, '}');
}
