/* gnuplot.c - writes data and commands of one chart. */
#include "report/gnuplot.h"

#include "report/page.h"

#include <math.h>

const char *const picture_names[PICTURE_COUNT] = { "png", "svg" };

enum { WIDTH = 1000, PANEL_HEIGHT = 230, TITLE_HEIGHT = 50 };

static const char *const colours[] = { "#2563c9", "#c2570c", "#0b7f74", "#6b4bb8" };
enum { COLOURS = sizeof colours / sizeof *colours };

enum {
	FAR_APART = 30
}; /* the largest value of several lines against the smallest: on one linear axis some lie on the floor */

/* A single-quoted text of gnuplot: a quote in it is doubled, nothing else means anything. */
static void quoted(struct buf *out, const char *text)
{
	buf_char(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_char(out, '\'');
		buf_char(out, *text);
	}
	buf_char(out, '\'');
}

/* A file, also when its name begins with |, which would be a command. */
static void quoted_path(struct buf *out, const char *path)
{
	struct buf file = { 0 };

	buf_printf(&file, "%s%s", *path == '/' || *path == '.' ? "" : "./", path);
	if (!file.failed)
		quoted(out, file.p);
	buf_free_into(&file, out);
}

/* One row per bucket: time, mean, min, max of each line. */
static void time_data(struct buf *out, const struct findings *f, enum panel_id panel)
{
	const struct series *s = &f->series;

	buf_printf(out, "$%s << END\n", panel_specs[panel].id);
	for (size_t i = 0; i < s->n; i++) {
		buf_printf(out, "%.6f", (double)(s->from_us + (int64_t)i * s->width_us + s->width_us / 2) / 1e6);
		for (size_t k = 0; k < line_spec_count; k++) {
			const struct bucket *b;

			if (line_specs[k].panel != panel || !s->metric[line_specs[k].metric])
				continue;
			b = &s->metric[line_specs[k].metric][i];
			if (b->count)
				buf_printf(out, " %.6g %.6g %.6g", b->mean, b->min, b->max);
			else
				buf_str(out, " NaN NaN NaN");
		}
		buf_char(out, '\n');
	}
	buf_str(out, "END\n");
}

static void limits(struct buf *out, const struct findings *f, enum panel_id panel)
{
	buf_str(out, "unset arrow\n");
	for (size_t i = 0; i < f->n_limits; i++)
		for (size_t k = 0; k < line_spec_count; k++)
			if (line_specs[k].panel == panel && line_specs[k].metric == f->limit[i].metric &&
			    isfinite(f->limit[i].value))
				buf_printf(out,
					   "set arrow from graph 0, first %.6g to graph 1, first %.6g nohead dashtype "
					   "2 linecolor rgb '#b3261e'\n",
					   f->limit[i].value, f->limit[i].value);
}

static void panel_title(struct buf *out, enum panel_id panel, enum metric_id m, enum lang lang)
{
	struct buf title = { 0 };

	buf_str(&title, panel_specs[panel].title[lang]);
	if (*metric_specs[m].unit)
		text_fill(&title, lang, TEXT_IN_BRACKETS, metric_specs[m].unit);
	buf_str(out, "set title ");
	quoted(out, buf_text(&title));
	buf_str(out, " noenhanced left offset graph -0.5,0\n");
	buf_free_into(&title, out);
}

static enum metric_id first_metric(enum panel_id panel)
{
	size_t k = 0;

	while (line_specs[k].panel != panel)
		k++;
	return line_specs[k].metric;
}

/* What is constant, or one moment, needs a range to be drawn in; lines far apart need a logarithmic one. */
static void ranges(struct buf *out, const struct findings *f, enum panel_id panel)
{
	double low = INFINITY, high = -INFINITY, width = (double)f->series.width_us / 1e6;
	int lines = 0;

	for (size_t k = 0; k < line_spec_count; k++)
		if (line_specs[k].panel == panel && f->metric[line_specs[k].metric].count) {
			low = fmin(low, f->metric[line_specs[k].metric].min);
			high = fmax(high, f->metric[line_specs[k].metric].max);
			lines++;
		}
	buf_printf(out, "set xrange [%.3f:%.3f]\n", (double)f->series.from_us / 1e6,
		   (double)f->series.from_us / 1e6 + width * (double)f->series.n);
	buf_str(out, lines > 1 && low > 0 && high > FAR_APART * low ? "set logscale y\n" : "");
	if (high > low)
		buf_str(out, "set yrange [*:*]\n");
	else
		buf_printf(out, "set yrange [%.9g:%.9g]\n", low - fmax(fabs(low) / 10, 1),
			   high + fmax(fabs(high) / 10, 1));
}

static void time_panel(struct buf *out, const struct findings *f, enum panel_id panel, enum lang lang)
{
	int column = 2, n = 0;

	time_data(out, f, panel);
	panel_title(out, panel, first_metric(panel), lang);
	limits(out, f, panel);
	buf_printf(out, "set xdata time\nset timefmt '%%s'\nset format x '%s'\nunset logscale\n",
		   (double)f->series.width_us * (double)f->series.n < 20e6 ? "%M:%.2S" : "%H:%M:%S");
	ranges(out, f, panel);
	buf_str(out, "plot ");
	for (size_t k = 0; k < line_spec_count; k++) {
		enum metric_id m = line_specs[k].metric;

		if (line_specs[k].panel != panel || !f->series.metric[m])
			continue;
		buf_str(out, n ? ", " : "");
		if (line_specs[k].style == LINE_BAND)
			buf_printf(out,
				   "$%s using 1:%d:%d with filledcurves fillcolor rgb '%s' fillstyle transparent solid "
				   "0.18 notitle, ",
				   panel_specs[panel].id, column + 1, column + 2, colours[n % COLOURS]);
		buf_printf(out, "$%s using 1:%d with lines linewidth 1.6 linecolor rgb '%s' title ",
			   panel_specs[panel].id, column, colours[n % COLOURS]);
		quoted(out, metric_specs[m].label[lang]);
		buf_str(out, " noenhanced");
		column += 3;
		n++;
	}
	buf_char(out, '\n');
}

static void histogram_panel(struct buf *out, const struct findings *f, enum panel_id panel, enum lang lang)
{
	const struct histogram *h = &f->latency[panel_phase(panel)];
	double step = log10(h->high / h->low) / (double)h->n;

	buf_printf(out, "$%s << END\n", panel_specs[panel].id);
	for (size_t i = 0; i < h->n; i++) {
		double from = h->low * pow(10, step * (double)i), to = h->low * pow(10, step * (double)(i + 1));

		buf_printf(out, "%.6g %.6g %.6g %llu\n", sqrt(from * to), from, to, (unsigned long long)h->bin[i]);
	}
	buf_str(out,
		"END\nunset arrow\nset xdata\nset format x '%g'\nset logscale x\nset xrange [*:*]\nset yrange [0:*]\n");
	panel_title(out, panel, first_metric(panel), lang);
	buf_printf(out, "plot $%s using 1:4:2:3 with boxes fillstyle solid 0.7 linecolor rgb '%s' notitle\n",
		   panel_specs[panel].id, colours[0]);
}

/* A histogram of one value has no width to draw, and a line of one no length. */
static bool drawable(const struct findings *f, enum panel_id panel)
{
	enum phase phase = panel_phase(panel);

	return page_panel_drawn(f, panel) && (phase == PHASE_COUNT || f->latency[phase].high > f->latency[phase].low);
}

bool gnuplot_chart(struct buf *out, const struct findings *f, enum chart_id chart, enum picture kind, const char *path,
		   enum lang lang)
{
	const char *font = lang == LANG_ZH ? "Noto Sans CJK SC" : "sans";
	int panels = 0;

	for (int i = 0; i < PANEL_COUNT; i++)
		panels += panel_specs[i].chart == chart && drawable(f, (enum panel_id)i);
	if (!panels)
		return false;
	buf_printf(out,
		   "set encoding utf8\nset terminal %s size %d,%d font '%s,10' background rgb 'white'\nset output ",
		   kind == PICTURE_PNG ? "pngcairo" : "svg", WIDTH, TITLE_HEIGHT + panels * PANEL_HEIGHT, font);
	quoted_path(out, path);
	buf_printf(out, "\nset multiplot layout %d,1 title ", panels);
	quoted(out, chart_specs[chart].title[lang]);
	buf_str(out,
		" noenhanced\nset grid linecolor rgb '#e2e4e8'\nset border 3 linecolor rgb '#9aa1ad'\nset tics "
		"nomirror\nset key at graph 1,1.2 right top horizontal\nset datafile missing 'NaN'\nset lmargin 10\n");
	for (int i = 0; i < PANEL_COUNT; i++) {
		enum panel_id panel = (enum panel_id)i;

		if (panel_specs[panel].chart == chart && drawable(f, panel))
			(panel_phase(panel) == PHASE_COUNT ? time_panel : histogram_panel)(out, f, panel, lang);
	}
	buf_str(out, "unset multiplot\nset output\n");
	return true;
}
