/* html_insights.c - the insights on the page: trends, sudden changes, worst moments, correlations, first bad tokens,
 * drift of states. */
#include "report/drifted.h"
#include "report/fleet.h"
#include "report/page.h"
#include "report/slope.h"
#include "report/table.h"
#include "report/unusual_words.h"
#include "spec/pairs.h"

#include <math.h>

enum { MOMENTS_SHOWN = 3, SESSIONS_SHOWN = 10, PEERS_SHOWN = 50 };

static void heading(struct buf *out, const struct page *p, enum text_id id)
{
	buf_str(out, "<h3>");
	put_str(out, words(p, id));
	buf_str(out, "</h3>\n");
}

static void metric_head(struct buf *out, const struct page *p, enum metric_id m)
{
	buf_str(out, "<tr><th scope=\"row\">");
	put_str(out, metric_specs[m].label[p->lang]);
	put_unit(out, m);
	buf_str(out, "</th>");
}

static void time_cell(struct buf *out, int64_t us)
{
	buf_str(out, "<td class=\"nowrap\">");
	put_time(out, us);
	buf_str(out, "</td>");
}

/* ---- trends */

/* A column that only a log of several instances has. */
static void instance_head(struct buf *out, const struct page *p)
{
	if (p->f->instances_total > 1)
		table_head_words(out, p, TEXT_PAGE_INSTANCE, false);
}

static void instance_cell(struct buf *out, const struct page *p, const char *instance)
{
	if (p->f->instances_total > 1)
		table_log_text(out, instance_shown(instance));
}

static void trend_row(struct buf *out, const struct page *p, const char *instance, const struct trend *of,
		      enum metric_id m)
{
	const struct trend *t = &of[m];
	double unit = slope_unit_of(p->f->to_us - p->f->from_us).per_hour;

	metric_head(out, p, m);
	instance_cell(out, p, instance);
	table_value(out, m, metric_possible(m, t->start));
	table_value(out, m, metric_possible(m, t->start + t->change));
	table_value(out, m, t->slope_per_hour / unit);
	buf_str(out, "<td class=\"n\">");
	put_value(out, m, t->low / unit);
	buf_str(out, " … ");
	put_value(out, m, t->high / unit);
	buf_str(out, "</td></tr>\n");
}

/* Returns whether the table has begun. */
static bool trend_rows(struct buf *out, const struct page *p, const char *instance, const struct trend *of, bool begun)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		if (!of[m].significant)
			continue;
		if (!begun) {
			heading(out, p, TEXT_PAGE_TRENDS);
			table_begin(out, words(p, TEXT_PAGE_TRENDS));
			table_head_words(out, p, TEXT_PAGE_METRIC, false);
			instance_head(out, p);
			table_head_words(out, p, TEXT_PAGE_BEFORE, true);
			table_head_words(out, p, TEXT_PAGE_AFTER, true);
			table_head_words(out, p, slope_unit_of(p->f->to_us - p->f->from_us).heading, true);
			table_head_words(out, p, TEXT_PAGE_INTERVAL, true);
			table_body(out);
		}
		begun = true;
		trend_row(out, p, instance, of, (enum metric_id)m);
	}
	return begun;
}

static void trends(struct buf *out, const struct page *p)
{
	bool any = trend_rows(out, p, NULL, p->f->trend, false);

	for (size_t i = 0; i < p->f->n_instances; i++)
		if (p->f->instance[i].trend)
			any = trend_rows(out, p, p->f->instance[i].instance, p->f->instance[i].trend, any);
	if (any)
		table_end(out);
}

/* ---- sudden changes */

static void changes(struct buf *out, const struct page *p)
{
	if (!p->f->n_changes)
		return;
	heading(out, p, TEXT_PAGE_CHANGES);
	table_begin(out, words(p, TEXT_PAGE_CHANGES));
	table_head_words(out, p, TEXT_PAGE_METRIC, false);
	instance_head(out, p);
	table_head_words(out, p, TEXT_PAGE_AT, false);
	table_head_words(out, p, TEXT_PAGE_BEFORE, true);
	table_head_words(out, p, TEXT_PAGE_AFTER, true);
	table_body(out);
	for (size_t i = 0; i < p->f->n_changes; i++) {
		const struct change_point *c = &p->f->change[i];

		metric_head(out, p, c->metric);
		instance_cell(out, p, c->instance);
		time_cell(out, c->time_us);
		table_value(out, c->metric, c->before);
		table_value(out, c->metric, c->after);
		buf_str(out, "</tr>\n");
	}
	table_end(out);
}

/* ---- instances unlike their peers */

static void outlier_row(struct buf *out, const struct page *p, const struct peer_outlier *o)
{
	metric_head(out, p, o->metric);
	table_log_text(out, o->instance);
	table_value(out, o->metric, o->value);
	table_value(out, o->metric, o->usual);
	buf_str(out, "<td class=\"n\">");
	buf_printf(out, "%.3g", o->z);
	buf_str(out, "</td></tr>\n");
}

static void note_words(struct buf *out, struct buf *words)
{
	if (words->used) {
		buf_str(out, "<p class=\"note\">");
		put_text(out, buf_slice(words));
		buf_str(out, "</p>\n");
	}
	buf_free_into(words, out);
}

/* Whether instances became slower together, and which groups have hosts of two kinds. */
static void peer_notes(struct buf *out, const struct page *p)
{
	struct buf words = { 0 };

	slowdown_words(&words, p->f, p->lang);
	note_words(out, &words);
	for (size_t i = 0; i < p->f->peers.n_mixtures; i++) {
		mixture_words(&words, p->f, &p->f->peers.mixture[i], p->lang);
		note_words(out, &words);
	}
}

static void peers(struct buf *out, const struct page *p)
{
	const struct peer_findings *found = &p->f->peers;

	if (!found->n_outliers && !found->n_mixtures && !p->f->slowdown.slowed)
		return;
	heading(out, p, TEXT_TERM_PEERS);
	peer_notes(out, p);
	if (!found->n_outliers)
		return;
	table_begin(out, words(p, TEXT_TERM_PEERS));
	table_head_words(out, p, TEXT_PAGE_METRIC, false);
	table_head_words(out, p, TEXT_PAGE_INSTANCE, false);
	table_head_words(out, p, TEXT_PAGE_VALUE, true);
	table_head_words(out, p, TEXT_PAGE_PEERS_MEDIAN, true);
	table_head_words(out, p, TEXT_PAGE_ROBUST_Z, true);
	table_body(out);
	for (size_t i = 0; i < found->n_outliers && i < PEERS_SHOWN; i++)
		outlier_row(out, p, &found->outlier[i]);
	table_end(out);
	if (found->n_outliers > PEERS_SHOWN)
		table_note(out, p, TEXT_PAGE_PEERS_CUT, PEERS_SHOWN, found->n_outliers);
}

/* ---- worst moments */

static const char *phase_word(const struct page *p, enum phase phase)
{
	return phase == PHASE_PREFILL  ? words(p, TEXT_TERM_PREFILL)
	       : phase == PHASE_DECODE ? words(p, TEXT_TERM_DECODE)
				       : "–";
}

static void moment_row(struct buf *out, const struct page *p, const struct moment *m)
{
	metric_head(out, p, m->metric);
	table_value(out, m->metric, m->value);
	time_cell(out, m->time_us);
	buf_str(out, "<td>");
	put_str(out, phase_word(p, m->phase));
	buf_str(out, "</td>");
	table_count(out, m->sequence_length);
	table_log_text(out, m->session_id);
	buf_str(out, "</tr>\n");
}

static void moments(struct buf *out, const struct page *p)
{
	size_t of_metric = 0;

	if (!p->f->n_worst)
		return;
	heading(out, p, TEXT_PAGE_WORST_MOMENTS);
	table_begin(out, words(p, TEXT_PAGE_WORST_MOMENTS));
	table_head_words(out, p, TEXT_PAGE_METRIC, false);
	table_head_words(out, p, TEXT_PAGE_VALUE, true);
	table_head_words(out, p, TEXT_PAGE_AT, false);
	table_head_words(out, p, TEXT_PAGE_PHASE, false);
	table_head_words(out, p, TEXT_PAGE_POSITION, true);
	table_head_words(out, p, TEXT_PAGE_SESSION, false);
	table_body(out);
	for (size_t i = 0; i < p->f->n_worst; i++) {
		of_metric = i && p->f->worst[i].metric == p->f->worst[i - 1].metric ? of_metric + 1 : 0;
		if (of_metric < MOMENTS_SHOWN)
			moment_row(out, p, &p->f->worst[i]);
	}
	table_end(out);
}

/* ---- correlations */

/* Strong enough to mean something, and with the sign that the pair's meaning is about. */
static bool tells(const struct correlation *c)
{
	enum pair_sign sign = pair_specs[c->pair].sign;

	return fabs(c->r) >= 0.3 && (c->low > 0 || c->high < 0) &&
	       (sign == PAIR_ANY || (sign == PAIR_UP) == (c->r > 0));
}

static void correlation_row(struct buf *out, const struct page *p, const struct correlation *c)
{
	const struct pair_spec *pair = &pair_specs[c->pair];

	buf_str(out, "<tr><th scope=\"row\">");
	put_str(out, pair_column_label(pair->a, p->lang));
	buf_str(out, " ↔ ");
	put_str(out, pair_column_label(pair->b, p->lang));
	buf_printf(out, "</th><td class=\"n\">%s%.2f</td><td class=\"n\">%s%.2f … %s%.2f</td>", c->r < 0 ? "−" : "",
		   fabs(c->r), c->low < 0 ? "−" : "", fabs(c->low), c->high < 0 ? "−" : "", fabs(c->high));
	table_count(out, c->steps);
	buf_str(out, "<td class=\"prose\">");
	put_str(out, pair->meaning[p->lang]);
	buf_str(out, "</td></tr>\n");
}

static void correlations(struct buf *out, const struct page *p)
{
	bool any = false;

	for (size_t i = 0; i < p->f->n_correlations; i++) {
		if (!tells(&p->f->correlation[i]))
			continue;
		if (!any) {
			heading(out, p, TEXT_PAGE_CORRELATIONS);
			table_begin(out, words(p, TEXT_PAGE_CORRELATIONS));
			table_head_words(out, p, TEXT_PAGE_METRIC, false);
			table_head(out, "r", true);
			table_head_words(out, p, TEXT_PAGE_INTERVAL, true);
			table_head_words(out, p, TEXT_PAGE_STEPS, true);
			table_head_words(out, p, TEXT_PAGE_MEANING, false);
			table_body(out);
		}
		any = true;
		correlation_row(out, p, &p->f->correlation[i]);
	}
	if (any)
		table_end(out);
}

/* ---- first bad token */

static void first_bad_row(struct buf *out, const struct page *p, const char *session, const struct first_bad *b)
{
	buf_str(out, "<tr>");
	table_log_text(out, session);
	buf_str(out, "<td>");
	put_str(out, alarm_specs[b->type].label[p->lang]);
	buf_str(out, "</td>");
	time_cell(out, b->time_us);
	table_count(out, b->sequence_length);
	buf_str(out, "</tr>\n");
}

static void first_bad(struct buf *out, const struct page *p)
{
	size_t all = 0;

	for (size_t i = 0; i < p->f->n_sessions; i++) {
		const struct session_findings *s = &p->f->session[i];
		const struct first_bad *b = &s->state.first_bad;

		if (!b->known)
			continue;
		if (!all++) {
			heading(out, p, TEXT_PAGE_FIRST_BAD);
			table_begin(out, words(p, TEXT_PAGE_FIRST_BAD));
			table_head_words(out, p, TEXT_PAGE_SESSION, false);
			table_head_words(out, p, TEXT_PAGE_TYPE, false);
			table_head_words(out, p, TEXT_PAGE_AT, false);
			table_head_words(out, p, TEXT_PAGE_POSITION, true);
			table_body(out);
		}
		if (all <= SESSIONS_SHOWN)
			first_bad_row(out, p, s->session_id, b);
	}
	if (all)
		table_end(out);
	if (all > SESSIONS_SHOWN)
		table_note(out, p, TEXT_PAGE_SESSIONS_CUT, SESSIONS_SHOWN, all);
}

/* ---- drift */

static void drift_row(struct buf *out, const struct session_findings *s)
{
	const struct drift *d = &s->state.drift;

	buf_str(out, "<tr>");
	table_log_text(out, s->session_id);
	table_count(out, d->samples);
	table_value(out, M_STATE_DRIFT, d->first.value);
	table_value(out, M_STATE_DRIFT, d->last.value);
	table_value(out, M_STATE_DRIFT, d->most.value);
	time_cell(out, d->most.time_us);
	table_count(out, d->most.sequence_length);
	buf_str(out, "</tr>\n");
}

static void drift(struct buf *out, const struct page *p)
{
	const struct session_findings *shown[SESSIONS_SHOWN];
	size_t all, n = drifted_sessions(p->f, shown, SESSIONS_SHOWN, &all);

	if (!n)
		return;
	heading(out, p, TEXT_PAGE_DRIFT);
	buf_str(out, "<p class=\"note\">");
	put_str(out, words(p, TEXT_PAGE_DRIFT_HELP));
	buf_str(out, "</p>\n");
	table_begin(out, words(p, TEXT_PAGE_DRIFT));
	table_head_words(out, p, TEXT_PAGE_SESSION, false);
	table_head_words(out, p, TEXT_PAGE_SAMPLES, true);
	table_head_words(out, p, TEXT_PAGE_FIRST, true);
	table_head_words(out, p, TEXT_PAGE_LAST, true);
	table_head_words(out, p, TEXT_PAGE_GREATEST, true);
	table_head_words(out, p, TEXT_PAGE_GREATEST_AT, false);
	table_head_words(out, p, TEXT_PAGE_POSITION, true);
	table_body(out);
	for (size_t i = 0; i < n; i++)
		drift_row(out, shown[i]);
	table_end(out);
	if (all > n)
		table_note(out, p, TEXT_PAGE_SESSIONS_CUT, n, all);
}

void page_insights(struct buf *out, const struct page *p)
{
	struct buf inside = { 0 };

	trends(&inside, p);
	changes(&inside, p);
	correlations(&inside, p);
	first_bad(&inside, p);
	drift(&inside, p);
	peers(&inside, p);
	page_unusual(&inside, p);
	moments(&inside, p);
	if (inside.used) {
		buf_str(out, "<section aria-labelledby=\"insights\"><h2 id=\"insights\">");
		put_str(out, words(p, TEXT_PAGE_INSIGHTS));
		buf_str(out, "</h2>\n");
		buf_add(out, inside.p, inside.used);
		buf_str(out, "</section>\n");
	}
	buf_free_into(&inside, out);
}
