/* exposition.c - writes an exporter's values as Prometheus text 0.0.4 or OpenMetrics 1.0.
 *
 * Families stand in the order of families.def, each once; a family without a known series
 * is left out. The two formats differ in the names of counter and info families, in units,
 * in the escapes of help texts and in the last line. */
#include "export/snapshot_inside.h"

#include "base/utf8.h"

#include <math.h>
#include <time.h>

const char *const exposition_content_type[EXPOSITION_COUNT] = {
	[EXPOSITION_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
	[EXPOSITION_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

struct writer {
	const struct exporter *e;
	enum exposition format;
	const char *instance; /* label of every series; NULL: the group's, if it has one */
	struct buf *out;
	int64_t now_us;
	uint64_t begin_ns;
	bool headed; /* the family's HELP and TYPE are written */
};

/* --- text ----------------------------------------------------------------------------- */

/* Whole numbers as such, others as short as they read back; 1 is "1.0" where OpenMetrics
 * wants a float's canonical form. */
static void add_number(struct buf *out, double value, bool canonical)
{
	size_t before = out->used;

	if (isnan(value))
		buf_str(out, "NaN");
	else if (isinf(value))
		buf_str(out, value > 0 ? "+Inf" : "-Inf");
	else
		buf_json_double(out, value);
	if (canonical && !out->failed && isfinite(value) && !strpbrk(out->p + before, ".e"))
		buf_str(out, ".0");
}

/* Label values come from logs: bytes that are no UTF-8, and what other readers take for a line's end (U+2028), become
 * U+FFFD, control characters spaces. */
static void add_escaped(struct buf *out, const char *text, bool quotes)
{
	size_t n = strlen(text);

	for (size_t i = 0, bytes, same; i < n; i += bytes ? bytes : 1) {
		bytes = utf8_char_bytes(text + i, n - i);
		if (!bytes || (bytes > 1 && !utf8_may_be_shown(utf8_decode(text + i, &same))))
			buf_str(out, "\xEF\xBF\xBD");
		else if (text[i] == '\\')
			buf_str(out, "\\\\");
		else if (text[i] == '\n')
			buf_str(out, "\\n");
		else if (text[i] == '"' && quotes)
			buf_str(out, "\\\"");
		else if (bytes == 1 && ((unsigned char)text[i] < ' ' || text[i] == 127))
			buf_char(out, ' ');
		else
			buf_add(out, text + i, bytes);
	}
}

/* OpenMetrics names a counter family without _total, an info family without _info. */
static int family_name_bytes(const struct writer *w, const struct family_spec *f)
{
	const char *suffix = f->kind == FAMILY_COUNTER ? "_total" : f->kind == FAMILY_INFO ? "_info" : "";
	size_t n = strlen(f->prom), tail = strlen(suffix);

	return (int)(w->format == EXPOSITION_OPENMETRICS ? n - tail : n);
}

static const char *type_name(const struct writer *w, const struct family_spec *f)
{
	static const char *const names[] = { "counter", "gauge", "histogram", "info" };

	return f->kind == FAMILY_INFO && w->format == EXPOSITION_TEXT ? "gauge" : names[f->kind];
}

static void add_head(struct writer *w, const struct family_spec *f)
{
	int n = family_name_bytes(w, f);

	if (w->headed)
		return;
	w->headed = true;
	buf_printf(w->out, "# HELP %.*s ", n, f->prom);
	add_escaped(w->out, f->help[LANG_EN], w->format == EXPOSITION_OPENMETRICS);
	buf_printf(w->out, "\n# TYPE %.*s %s\n", n, f->prom, type_name(w, f));
	if (*f->unit && w->format == EXPOSITION_OPENMETRICS)
		buf_printf(w->out, "# UNIT %.*s %s\n", n, f->prom, f->unit);
}

static void add_label(struct buf *out, const char *key, const char *value)
{
	if (!*key || !*value)
		return;
	buf_printf(out, "%s%s=\"", out->p[out->used - 1] == '{' ? "" : ",", key);
	add_escaped(out, value, true);
	buf_char(out, '"');
}

static void open_sample(struct writer *w, const struct family_spec *f, const struct group *g, const char *suffix)
{
	add_head(w, f);
	buf_printf(w->out, "%s%s{", f->prom, suffix);
	if (w->instance)
		add_label(w->out, "instance", w->instance);
	if (!g)
		return;
	if (!w->instance)
		add_label(w->out, "instance", g->instance);
	add_label(w->out, "model", g->model);
	add_label(w->out, "backend", g->backend);
	if (f->gpu)
		add_label(w->out, "gpu", *g->gpu ? g->gpu : "0");
}

static void end_sample(struct writer *w, double value)
{
	if (!w->out->failed && w->out->p[w->out->used - 1] == '{')
		w->out->p[--w->out->used] = 0; /* no labels, no braces */
	else
		buf_char(w->out, '}');
	buf_char(w->out, ' ');
	add_number(w->out, value, false);
	buf_char(w->out, '\n');
}

static void add_sample(struct writer *w, const struct family_spec *f, const struct group *g, size_t value_index,
		       double value)
{
	open_sample(w, f, g, "");
	add_label(w->out, f->label, f->values[value_index]);
	end_sample(w, value);
}

/* --- values --------------------------------------------------------------------------- */

static void add_histogram(struct writer *w, enum family_id id, const struct group *g)
{
	static const struct histogram_counts none;
	const struct family_spec *f = &family_specs[id];
	const struct histogram_counts *h = g->histogram[id] ? g->histogram[id] : &none;
	uint64_t total = 0;

	if (f->start == START_SEEN && h == &none)
		return;
	for (size_t b = 0; b <= f->n_bounds; b++) {
		total += h->bucket[b];
		open_sample(w, f, g, "_bucket");
		buf_str(w->out, ",le=\"");
		add_number(w->out, b < f->n_bounds ? f->bounds[b] : INFINITY, true);
		buf_char(w->out, '"');
		end_sample(w, (double)total);
	}
	open_sample(w, f, g, "_sum");
	end_sample(w, h->sum);
	open_sample(w, f, g, "_count");
	end_sample(w, (double)total);
}

/* The mean of the last 60 s; NAN when nothing came in them. */
static double window_mean_of(const struct window_gauge *window, int64_t now_us)
{
	int64_t now = now_us / 1000000;
	double sum = 0;
	uint64_t n = 0;

	for (int i = 0; window && i < WINDOW_SECONDS; i++)
		if (window->slot[i].second > now - WINDOW_SECONDS && window->slot[i].second <= now) {
			sum += window->slot[i].sum;
			n += window->slot[i].count;
		}
	return n ? sum / (double)n : NAN;
}

/* Of the sessions that are alive; NAN: none knows it. */
static double gauge_over_sessions(const struct writer *w, const struct group *g, const struct family_spec *f,
				  size_t series)
{
	double value = NAN;
	int64_t latest = INT64_MIN;

	for (size_t i = 0; i < LIVE_SESSIONS_MAX; i++) {
		const struct export_session *s = &w->e->session[i];

		if (s->group != g || !session_is_live(w->e, s, w->now_us) || !series_have(s->have, series))
			continue;
		if (isnan(value) || (f->over == OVER_MAX && s->gauge[series] > value) ||
		    (f->over == OVER_LAST && s->last_us >= latest))
			value = s->gauge[series];
		else if (f->over == OVER_SUM)
			value += s->gauge[series];
		latest = s->last_us > latest ? s->last_us : latest;
	}
	return value;
}

static double is_up(const struct writer *w, const struct group *g)
{
	for (size_t i = 0; i < LIVE_SESSIONS_MAX; i++)
		if (w->e->session[i].group == g && session_is_live(w->e, &w->e->session[i], w->now_us))
			return 1;
	return 0;
}

static double value_of(const struct writer *w, const struct group *g, enum family_id id, size_t i)
{
	const struct family_spec *f = &family_specs[id];
	size_t series = f->first + i;
	bool known = false;

	if (id == FAM_BACKEND_UP)
		return is_up(w, g);
	if (f->over == OVER_WINDOW)
		return window_mean_of(g->window[id], w->now_us);
	if (f->kind != FAMILY_COUNTER)
		return gauge_over_sessions(w, g, f, series);
	for (size_t k = 0; k < f->n_values; k++) /* one known value makes the others 0 */
		known = known || series_have(g->have, f->first + k);
	return known ? g->counter[series] : NAN;
}

static void add_model_info(struct writer *w, const struct family_spec *f, const struct group *g)
{
	static const char *const key[INFO_LABELS] = { "version", "arch", "quant", "strategy", "device" };

	open_sample(w, f, g, "");
	for (int i = 0; i < INFO_LABELS; i++)
		add_label(w->out, key[i], g->info[i]);
	end_sample(w, 1);
}

static void add_group(struct writer *w, enum family_id id, const struct group *g)
{
	const struct family_spec *f = &family_specs[id];

	if (f->kind == FAMILY_HISTOGRAM)
		add_histogram(w, id, g);
	else if (f->kind == FAMILY_INFO)
		add_model_info(w, f, g);
	for (size_t i = 0; f->n_bounds == 0 && f->kind != FAMILY_INFO && i < f->n_values; i++) {
		double value = value_of(w, g, id, i);

		if (isnan(value) && f->start == START_ALWAYS)
			value = 0;
		if (!isnan(value))
			add_sample(w, f, g, i, value);
	}
}

static double processor_seconds(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) ? NAN : (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add_process(struct writer *w, enum family_id id)
{
	const struct family_spec *f = &family_specs[id];

	if (id == FAM_BUILD_INFO) {
		open_sample(w, f, NULL, "");
		add_label(w->out, "version", RWKVMON_VERSION);
		end_sample(w, 1);
	} else if (id == FAM_PROCESS_CPU && w->e->opts.own_process) {
		add_sample(w, f, NULL, 0, processor_seconds());
	} else if (id == FAM_VERDICT) {
		for (size_t i = 0; w->e->verdict >= 0 && i < f->n_values; i++)
			add_sample(w, f, NULL, i, (int)i == w->e->verdict);
	} else if (id == FAM_OTHER_LABEL_SETS) {
		add_sample(w, f, NULL, 0, (double)w->e->n_others);
	} else if (id == FAM_SCRAPE_DURATION) {
		add_sample(w, f, NULL, 0, (double)(clock_mono_ns(w->e->opts.clock) - w->begin_ns) / 1e9);
	}
}

static void add_family(struct writer *w, enum family_id id)
{
	w->headed = false;
	if (family_specs[id].over == OVER_PROCESS) {
		add_process(w, id);
		return;
	}
	for (size_t i = 0; i <= GROUPS_MAX; i++)
		if (w->e->group[i])
			add_group(w, id, w->e->group[i]);
}

void exporter_write(struct exporter *e, enum exposition format, struct buf *out)
{
	exporter_write_for(e, format, NULL, out);
}

void exporter_write_for(struct exporter *e, enum exposition format, const char *instance, struct buf *out)
{
	struct writer w = { .e = e,
			    .format = format,
			    .instance = instance,
			    .out = out,
			    .now_us = clock_wall_us(e->opts.clock),
			    .begin_ns = clock_mono_ns(e->opts.clock) };

	if (!buf_reserve(out, 1 << 15))
		return;
	pthread_mutex_lock(&e->lock);
	for (int f = 0; f < FAMILY_COUNT && !out->failed; f++)
		add_family(&w, (enum family_id)f);
	pthread_mutex_unlock(&e->lock);
	if (format == EXPOSITION_OPENMETRICS)
		buf_str(out, "# EOF\n");
}
