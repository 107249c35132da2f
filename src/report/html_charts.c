/* html_charts.c - the chart sections: elements that report.js draws into, with the same data as small tables. */
#include "report/page.h"

#include <math.h>

enum { SLICES_MAX = 12, PANEL_LINES_MAX = 8 };

bool page_panel_occurs(const struct findings *f, enum panel_id panel)
{
	enum phase phase = panel_phase(panel);

	if (phase != PHASE_COUNT)
		return f->latency[phase].n > 0;
	for (size_t i = 0; i < line_spec_count; i++)
		if (line_specs[i].panel == panel && f->series.metric[line_specs[i].metric])
			return true;
	return false;
}

bool page_panel_drawn(const struct findings *f, enum panel_id panel)
{
	if (panel_phase(panel) != PHASE_COUNT)
		return page_panel_occurs(f, panel);
	for (size_t i = 0; i < line_spec_count; i++)
		if (line_specs[i].panel == panel && f->metric[line_specs[i].metric].count > 1)
			return page_panel_occurs(f, panel);
	return false;
}

/* The metrics of a panel that occur in the log. */
static size_t panel_metrics(const struct findings *f, enum panel_id panel, enum metric_id out[PANEL_LINES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < line_spec_count && n < PANEL_LINES_MAX; i++)
		if (line_specs[i].panel == panel && f->metric[line_specs[i].metric].count)
			out[n++] = line_specs[i].metric;
	return n;
}

static enum metric_id first_metric(enum panel_id panel)
{
	size_t i = 0;

	while (line_specs[i].panel != panel)
		i++;
	return line_specs[i].metric;
}

static void head(struct buf *out, const char *label)
{
	buf_str(out, "<th scope=\"col\" class=\"n\">");
	put_str(out, label);
	buf_str(out, "</th>");
}

static void cell(struct buf *out, enum metric_id m, double value)
{
	buf_str(out, "<td class=\"n\">");
	put_value(out, m, value);
	buf_str(out, "</td>");
}

/* The buckets from..to of one metric as one. */
static struct bucket slice_of_time(const struct bucket *b, size_t from, size_t to)
{
	struct bucket sum = { .min = INFINITY, .max = -INFINITY };

	for (size_t i = from; i < to; i++) {
		if (!b[i].count)
			continue;
		sum.count += b[i].count;
		sum.min = fmin(sum.min, b[i].min);
		sum.max = fmax(sum.max, b[i].max);
		sum.mean += (b[i].mean - sum.mean) * ((double)b[i].count / (double)sum.count);
	}
	return sum.count ? sum : (struct bucket){ .min = NAN, .max = NAN, .mean = NAN };
}

static void trend_table(struct buf *out, const struct page *p, enum panel_id panel)
{
	const struct series *s = &p->f->series;
	enum metric_id m[PANEL_LINES_MAX];
	size_t n = panel_metrics(p->f, panel, m), step = (s->n + SLICES_MAX - 1) / SLICES_MAX;

	buf_str(out, "<table><thead><tr><th scope=\"col\">");
	put_str(out, words(p, TEXT_PAGE_FROM));
	buf_str(out, "</th>");
	for (size_t k = 0; k < n; k++) {
		head(out, n > 1 ? metric_specs[m[k]].label[p->lang] : words(p, TEXT_PAGE_MEAN));
		if (n == 1) {
			head(out, words(p, TEXT_PAGE_MIN));
			head(out, words(p, TEXT_PAGE_MAX));
		}
	}
	buf_str(out, "</tr></thead><tbody>\n");
	for (size_t from = 0; from < s->n; from += step) {
		size_t to = from + step < s->n ? from + step : s->n;

		buf_str(out, "<tr><th scope=\"row\">");
		put_time(out, s->from_us + (int64_t)from * s->width_us);
		buf_str(out, "</th>");
		for (size_t k = 0; k < n; k++) {
			struct bucket b =
				s->metric[m[k]] ? slice_of_time(s->metric[m[k]], from, to) : slice_of_time(NULL, 0, 0);

			cell(out, m[k], b.mean);
			if (n == 1) {
				cell(out, m[k], b.min);
				cell(out, m[k], b.max);
			}
		}
		buf_str(out, "</tr>\n");
	}
	buf_str(out, "</tbody></table>");
}

static void distribution_table(struct buf *out, const struct page *p, enum panel_id panel)
{
	const struct summary *s = &p->f->phase[panel_phase(panel)][M_TOKEN_LATENCY_MS];
	const struct {
		const char *name;
		double value;
	} columns[] = {
		{ words(p, TEXT_PAGE_MIN), s->min },
		{ "p50", s->p50 },
		{ "p90", s->p90 },
		{ "p95", s->p95 },
		{ "p99", s->p99 },
		{ words(p, TEXT_PAGE_MAX), s->max },
	};
	size_t n = sizeof columns / sizeof *columns;

	buf_str(out, "<table><thead><tr>");
	for (size_t i = 0; i < n; i++)
		head(out, columns[i].name);
	buf_str(out, "</tr></thead><tbody><tr>");
	for (size_t i = 0; i < n; i++)
		cell(out, M_TOKEN_LATENCY_MS, columns[i].value);
	buf_str(out, "</tr></tbody></table>");
}

/* What a chart's line shows, for screen readers; written into an attribute. */
static void put_description(struct buf *out, const struct page *p, enum metric_id m, const struct summary *s)
{
	const struct {
		enum text_id name;
		double value;
	} parts[] = { { TEXT_PAGE_MEAN, s->mean }, { TEXT_PAGE_MIN, s->min }, { TEXT_PAGE_MAX, s->max } };

	for (size_t i = 0; s->count && i < sizeof parts / sizeof *parts; i++) {
		buf_str(out, words(p, i ? TEXT_COMMA : TEXT_COLON));
		put_str(out, words(p, parts[i].name));
		buf_char(out, ' ');
		put_number(out, parts[i].value);
		buf_str(out, *metric_specs[m].unit ? " " : "");
		put_str(out, metric_specs[m].unit);
	}
}

static void put_panel(struct buf *out, const struct page *p, enum panel_id panel)
{
	const struct panel_spec *spec = &panel_specs[panel];
	bool histogram = panel_phase(panel) != PHASE_COUNT;
	enum metric_id m = first_metric(panel);

	buf_printf(out, "<figure class=\"panel\" data-panel=\"%s\"><figcaption><h4>", spec->id);
	put_str(out, spec->title[p->lang]);
	if (histogram) {
		buf_str(out, " <small>");
		put_str(out, metric_specs[m].label[p->lang]);
		buf_str(out, "</small>");
	}
	put_unit(out, m);
	buf_str(out, "</h4><ul class=\"legend\"></ul></figcaption>\n");
	buf_str(out, "<div class=\"plot\" role=\"group\" aria-label=\"");
	put_str(out, spec->title[p->lang]);
	put_description(out, p, m, histogram ? &p->f->phase[panel_phase(panel)][m] : &p->f->metric[m]);
	buf_str(out, "\"></div>\n<details><summary>");
	put_str(out, words(p, TEXT_PAGE_AS_TABLE));
	buf_str(out, "</summary><div class=\"scroll\" tabindex=\"0\">");
	(histogram ? distribution_table : trend_table)(out, p, panel);
	buf_str(out, "</div></details></figure>\n");
}

static void put_panels(struct buf *out, const struct page *p, enum chart_id chart)
{
	for (int i = 0; i < PANEL_COUNT; i++) {
		enum panel_id panel = (enum panel_id)i;

		if (panel_specs[panel].chart == chart && page_panel_drawn(p->f, panel))
			put_panel(out, p, panel);
	}
}

/* The titles of the chart's panels that are not drawn, of those that occur in the log or of those that do not. */
static void put_undrawn(struct buf *out, const struct page *p, enum chart_id chart, bool occurs, enum text_id sentence)
{
	struct buf names = { 0 };
	const char *comma = text(TEXT_COMMA, p->lang);

	for (int i = 0; i < PANEL_COUNT; i++) {
		enum panel_id panel = (enum panel_id)i;

		if (panel_specs[i].chart != chart || panel == PANEL_OTHER_HISTOGRAM || page_panel_drawn(p->f, panel) ||
		    page_panel_occurs(p->f, panel) != occurs)
			continue;
		buf_str(&names, names.used ? comma : "");
		put_str(&names, panel_specs[i].title[p->lang]);
		if (occurs) {
			enum metric_id m = first_metric(panel);

			buf_char(&names, ' ');
			put_value(&names, m, p->f->metric[m].p50);
			if (*metric_specs[m].unit && strcmp(metric_specs[m].unit, "bytes")) /* which put_value writes */
				buf_printf(&names, "&nbsp;%s", metric_specs[m].unit);
		}
	}
	if (names.used && !names.failed) {
		buf_str(out, "<p class=\"note\">");
		put_filled(out, p, sentence, (const char *[]){ names.p, NULL });
		buf_str(out, "</p>\n");
	}
	buf_free_into(&names, out);
}

/* One quiet line instead of empty charts, and of charts of a single dot. */
static void put_absent(struct buf *out, const struct page *p, enum chart_id chart)
{
	put_undrawn(out, p, chart, true, TEXT_PAGE_ONE_VALUE);
	put_undrawn(out, p, chart, false, TEXT_PAGE_NOT_IN_LOG);
}

/* How similarity and entropy move together, per charted session. */
static void put_correlation(struct buf *out, const struct page *p)
{
	bool any = false;

	for (size_t i = 0; i < p->f->n_sessions; i++) {
		const struct session_findings *s = &p->f->session[i];

		if (!s->series || !isfinite(s->similarity_entropy_pearson))
			continue;
		if (!any) {
			buf_str(out, "<div class=\"note\"><p>");
			put_str(out, words(p, TEXT_PAGE_CORRELATION_HELP));
			buf_str(out, "</p><ul class=\"pearson\">");
		}
		any = true;
		buf_str(out, "<li>");
		put_log_text(out, s->session_id);
		buf_printf(out, " <b>%s%.2f</b>", s->similarity_entropy_pearson < 0 ? "−" : "",
			   fabs(s->similarity_entropy_pearson));
		if (s->collapse_warning) {
			buf_str(out, " <span class=\"chip tone-warn\">");
			put_icon(out, TONE_WARN);
			put_str(out, words(p, TEXT_PAGE_COLLAPSE));
			buf_str(out, "</span>");
		}
		buf_str(out, "</li>\n");
	}
	buf_str(out, any ? "</ul></div>\n" : "");
}

void page_charts(struct buf *out, const struct page *p)
{
	for (int c = 0; c < CHART_COUNT; c++) {
		const struct chart_spec *chart = &chart_specs[c];

		buf_printf(out, "<section aria-labelledby=\"%s\"><h3 id=\"%s\">", chart->id, chart->id);
		put_str(out, chart->title[p->lang]);
		buf_str(out, " <small>");
		put_str(out, chart->question[p->lang]);
		buf_str(out, "</small></h3>\n<div class=\"panels\">\n");
		put_panels(out, p, (enum chart_id)c);
		buf_str(out, "</div>\n");
		if (c == CHART_STATE)
			put_correlation(out, p);
		put_absent(out, p, (enum chart_id)c);
		buf_str(out, "</section>\n");
	}
}
