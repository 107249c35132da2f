/* text_trends.c - one line per trend, jump, worst moment and correlation. */
#include "report/text_trends.h"

#include "base/clock.h"
#include "report/drifted.h"
#include "report/fleet.h"
#include "report/slope.h"

#include <math.h>
#include <stdlib.h>

enum {
	INDENT = 2,
	LABEL = 22,
	CHANGES_SHOWN = 8,
	WORST_SHOWN = 6,
	TOGETHER_SHOWN = 4,
	INSTANCES_SHOWN = 8,
	PEERS_SHOWN = 8,
	BAD_SHOWN = 5,
	DRIFTED_SHOWN = 5
};

static const char *arrow(const struct term *t)
{
	return t->ascii ? "->" : "\xe2\x86\x92";
}

/* "12:34:56", with the day when the log has more than one, with milliseconds when it is shorter than a minute. */
static const char *moment_text(char out[TIME_TEXT_BYTES], const struct findings *f, int64_t time_us)
{
	bool one_day = f->from_us / 86400000000 == f->to_us / 86400000000;
	bool short_log = f->to_us - f->from_us < 60000000;

	time_format(out, time_us);
	out[10] = ' ';
	out[short_log ? 23 : 19] = 0;
	return one_day ? out + 11 : out + 5;
}

/* --- trends and jumps ---------------------------------------------------------------- */

/* What moved in one instance, or in all of a log that has one. */
struct moves {
	const char *instance; /* NULL: the log has one */
	const struct trend *trend;
};

/* A trend gets a line if it is statistically significant and changes its metric by at least a twentieth. */
static bool is_trend(const struct findings *f, const struct moves *of, enum metric_id m)
{
	const struct trend *t = &of->trend[m];
	double level = fmax(fabs(t->start), fabs(t->start + t->change));

	return t->significant && fabs(t->change) >= 0.05 * level && f->metric[m].min < f->metric[m].max;
}

static bool has_jump(const struct findings *f, const struct moves *of, enum metric_id m)
{
	for (size_t i = 0; i < f->n_changes; i++)
		if (f->change[i].metric == m && f->change[i].instance == of->instance)
			return true;
	return false;
}

static enum tint direction_tint(enum metric_id m, double change)
{
	enum metric_better better = metric_specs[m].better;

	if (better == BETTER_NEITHER)
		return TINT_PLAIN;
	return (change > 0) == (better == BETTER_HIGHER) ? TINT_GOOD : TINT_WARN;
}

static void put_move(struct term *t, enum metric_id m, double before, double after)
{
	char a[TERM_TEXT], b[TERM_TEXT], line[3 * TERM_TEXT];

	snprintf(line, sizeof line, "%s %s %s", term_number(a, before), arrow(t), term_value(b, m, after));
	term_left(t, direction_tint(m, after - before), line, 25);
}

static void put_trend(struct term *t, const struct findings *f, const struct trend *trend, enum metric_id m)
{
	char slope[TERM_TEXT], error[TERM_TEXT];
	struct buf line = { 0 };
	struct slope_unit unit = slope_unit_of(f->to_us - f->from_us);

	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, metric_specs[m].label[t->lang], LABEL);
	put_move(t, m, metric_possible(m, trend->start), metric_possible(m, trend->start + trend->change));
	text_fill(&line, t->lang, trend->slope_per_hour < 0 ? unit.falls : unit.rises,
		  term_number(slope, fabs(trend->slope_per_hour) / unit.per_hour),
		  term_number(error, (trend->high - trend->low) / 2 / unit.per_hour));
	term_left(t, TINT_DIM, buf_text(&line), t->columns - t->at);
	buf_free_into(&line, t->out);
	term_newline(t);
}

static void put_jump(struct term *t, const struct findings *f, const struct change_point *c)
{
	char when[TIME_TEXT_BYTES];
	struct buf line = { 0 };

	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, metric_specs[c->metric].label[t->lang], LABEL);
	put_move(t, c->metric, c->before, c->after);
	text_fill(&line, t->lang, TEXT_TERM_JUMP, moment_text(when, f, c->time_us));
	term_left(t, TINT_DIM, buf_text(&line), t->columns - t->at);
	buf_free_into(&line, t->out);
	term_newline(t);
}

/* Before a line: the heading, the instance's name, or neither. False: there is no more room for lines. */
static bool begin_move(struct term *t, const struct moves *of, size_t *all, bool *named)
{
	char name[TERM_TEXT];

	if (!*all)
		term_heading(t, TEXT_TERM_CHANGES, NULL);
	if (++*all > CHANGES_SHOWN)
		return false;
	if (of->instance && !*named) {
		term_indent(t, INDENT);
		term_put(t, TINT_BOLD, term_clean(name, t, instance_shown(of->instance), t->columns - t->at, true));
		term_newline(t);
	}
	*named = true;
	return true;
}

static void put_moves(struct term *t, const struct findings *f, const struct moves *of, size_t *all)
{
	bool named = false;

	for (int m = 0; m < METRIC_COUNT; m++)
		if (is_trend(f, of, (enum metric_id)m) && !has_jump(f, of, (enum metric_id)m) &&
		    begin_move(t, of, all, &named))
			put_trend(t, f, &of->trend[m], (enum metric_id)m);
	for (size_t i = 0; i < f->n_changes; i++)
		if (f->change[i].instance == of->instance && begin_move(t, of, all, &named))
			put_jump(t, f, &f->change[i]);
}

void text_changes(struct term *t, const struct findings *f)
{
	size_t all = 0;

	if (f->instances_total <= 1)
		put_moves(t, f, &(struct moves){ NULL, f->trend }, &all);
	for (size_t i = 0; i < f->n_instances; i++)
		if (f->instance[i].trend)
			put_moves(t, f, &(struct moves){ f->instance[i].instance, f->instance[i].trend }, &all);
	if (all > CHANGES_SHOWN)
		term_more(t, INDENT, TEXT_TERM_MORE_CHANGES, all - CHANGES_SHOWN);
}

/* --- worst moments --------------------------------------------------------------------- */

/* Metrics whose worst step is informative: what a user notices, and what the state did. */
static const enum metric_id told[WORST_SHOWN] = { M_TOKEN_LATENCY_MS,       M_CHUNK_PROCESS_TIME_MS,
						  M_TIME_TO_FIRST_TOKEN_MS, M_TOKEN_REPETITION_PCT,
						  M_STATE_SIMILARITY,       M_SURPRISAL_NATS };

static const struct moment *worst_of(const struct findings *f, enum metric_id m)
{
	for (size_t i = 0; i < f->n_worst; i++)
		if (f->worst[i].metric == m)
			return &f->worst[i];
	return NULL;
}

static void put_worst(struct term *t, const struct findings *f, const struct moment *m)
{
	char when[TIME_TEXT_BYTES], v[TERM_TEXT], at[TERM_TEXT];

	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, metric_specs[m->metric].label[t->lang], LABEL);
	term_right(t, TINT_PLAIN, term_value(v, m->metric, m->value), 13);
	term_left(t, TINT_PLAIN, "", 2);
	term_left(t, TINT_PLAIN, moment_text(when, f, m->time_us), 16);
	term_left(t, TINT_DIM, *m->session_id ? m->session_id : "-", term_name_columns(t, 17));
	if (m->sequence_length)
		term_right(t, TINT_DIM, term_count(at, m->sequence_length), 8);
	term_newline(t);
}

void text_worst(struct term *t, const struct findings *f)
{
	bool any = false;

	for (size_t i = 0; i < WORST_SHOWN; i++) {
		const struct moment *m = worst_of(f, told[i]);

		if (!m || (told[i] == M_CHUNK_PROCESS_TIME_MS && m->token_count < 2))
			continue;
		if (!any)
			term_heading(t, TEXT_TERM_WORST, term_word(t, TEXT_TERM_WORST_REMARK));
		any = true;
		put_worst(t, f, m);
	}
}

/* --- what goes together ------------------------------------------------------------------ */

/* At least a quarter of the variance is shared, in the direction the pair's meaning is about. */
static bool is_together(const struct correlation *c)
{
	enum pair_sign sign = pair_specs[c->pair].sign;

	return (sign != PAIR_DOWN && c->low > 0.5) || (sign != PAIR_UP && c->high < -0.5);
}

static void put_pair(struct term *t, const struct correlation *c)
{
	char line[64];

	term_indent(t, INDENT);
	snprintf(line, sizeof line, "%+.2f", c->r);
	term_left(t, TINT_BOLD, line, 7);
	term_wrap(t, TINT_PLAIN, pair_specs[c->pair].meaning[t->lang], t->at);
	term_newline(t);
}

void text_together(struct term *t, const struct findings *f)
{
	size_t all = 0;

	for (size_t i = 0; i < f->n_correlations; i++) {
		if (!is_together(&f->correlation[i]))
			continue;
		if (!all++)
			term_heading(t, TEXT_TERM_TOGETHER, term_word(t, TEXT_TERM_TOGETHER_REMARK));
		if (all <= TOGETHER_SHOWN)
			put_pair(t, &f->correlation[i]);
	}
	if (all > TOGETHER_SHOWN)
		term_more(t, INDENT, TEXT_TERM_MORE_CHANGES, all - TOGETHER_SHOWN);
}

/* --- instances ----------------------------------------------------------------------------- */

enum { NUMBER = 10 };

static void put_instance(struct term *t, const struct instance_findings *in)
{
	char v[TERM_TEXT];

	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, instance_shown(in->instance),
		  term_name_columns(t, REPORT_COLUMNS - INDENT - 5 * NUMBER));
	term_right(t, TINT_PLAIN, term_count(v, in->sessions), NUMBER);
	term_right(t, TINT_PLAIN, term_count(v, in->records), NUMBER);
	term_right(t, TINT_PLAIN, term_number(v, in->metric[M_TOKEN_LATENCY_MS].p50), NUMBER);
	term_right(t, TINT_PLAIN, term_number(v, in->metric[M_TOKEN_LATENCY_MS].p95), NUMBER);
	term_right(t, TINT_PLAIN, term_number(v, in->metric[M_THROUGHPUT_TPS].p50), NUMBER);
	term_newline(t);
}

/* Its distance from the peers: a ratio for times and sizes, otherwise a difference. */
static void fill_distance(struct buf *out, const struct term *t, const struct peer_outlier *o)
{
	char far[TERM_TEXT], value[TERM_TEXT], usual[TERM_TEXT], peers[TERM_TEXT], z[TERM_TEXT];
	const enum text_id id = o->is_ratio ? TEXT_TERM_PEER_TIMES : TEXT_TERM_PEER_FROM;

	term_number(far, o->is_ratio ? o->value / o->usual : o->value - o->usual);
	text_fill(out, t->lang, id, metric_specs[o->metric].label[t->lang], term_value(value, o->metric, o->value), far,
		  term_count(peers, o->peers), term_value(usual, o->metric, o->usual), term_number(z, o->z));
}

static void put_outlier(struct term *t, const struct findings *f, const struct peer_outlier *o)
{
	char name[TERM_TEXT], when[TIME_TEXT_BYTES];
	struct buf line = { 0 };

	fill_distance(&line, t, o);
	if (o->since_us)
		text_fill(&line, t->lang, TEXT_TERM_PEER_SINCE, moment_text(when, f, o->since_us));
	term_indent(t, INDENT);
	term_put(t, TINT_BOLD, term_clean(name, t, o->instance, t->columns / 2, true));
	term_put(t, TINT_PLAIN, "  ");
	term_wrap(t, TINT_WARN, buf_text(&line), 2 * INDENT);
	buf_free_into(&line, t->out);
	term_newline(t);
}

void text_mixtures(struct term *t, const struct findings *f)
{
	for (size_t i = 0; i < f->peers.n_mixtures; i++) {
		struct buf line = { 0 }, clean = { 0 };

		mixture_words(&line, f, &f->peers.mixture[i], t->lang);
		term_clean_all(&clean, t, buf_text(&line));
		term_wrap(t, TINT_WARN, buf_text(&clean), INDENT);
		term_newline(t);
		buf_free_into(&line, t->out);
		buf_free_into(&clean, t->out);
	}
}

void text_peers(struct term *t, const struct findings *f)
{
	const struct peer_findings *p = &f->peers;
	size_t n = p->n_outliers < PEERS_SHOWN ? p->n_outliers : PEERS_SHOWN;

	if (!n && !p->n_mixtures)
		return;
	term_heading(t, TEXT_TERM_PEERS, term_word(t, TEXT_TERM_PEERS_REMARK));
	text_mixtures(t, f);
	for (size_t i = 0; i < n; i++)
		put_outlier(t, f, &p->outlier[i]);
	if (p->n_outliers > n)
		term_more(t, INDENT, TEXT_TERM_MORE_CHANGES, p->n_outliers - n);
}

void text_instances(struct term *t, const struct findings *f)
{
	static const enum text_id heads[] = { TEXT_TERM_SESSIONS_HEAD, TEXT_TERM_RECORDS_HEAD, TEXT_TERM_LATENCY_P50,
					      TEXT_TERM_LATENCY_P95, TEXT_TERM_SPEED };
	const struct instance_findings **order =
		malloc((f->n_instances + 1) * sizeof(const struct instance_findings *));
	size_t n = f->n_instances < INSTANCES_SHOWN ? f->n_instances : INSTANCES_SHOWN;

	t->out->failed |= !order;
	if (!order || f->n_instances < 2) {
		free(order);
		return;
	}
	instances_by_trouble(f, order);
	term_heading(t, TEXT_TERM_INSTANCES, f->peers.n_outliers ? term_word(t, TEXT_TERM_INSTANCES_REMARK) : NULL);
	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, "", term_name_columns(t, REPORT_COLUMNS - INDENT - 5 * NUMBER));
	for (size_t i = 0; i < 5; i++)
		term_right(t, TINT_DIM, term_word(t, heads[i]), NUMBER);
	term_newline(t);
	for (size_t i = 0; i < n; i++)
		put_instance(t, order[i]);
	if (f->instances_total > n)
		term_more(t, INDENT, TEXT_TERM_MORE_INSTANCES, f->instances_total - n);
	free(order);
}

/* --- drift ------------------------------------------------------------------------------------ */

static void put_drift(struct term *t, const struct session_findings *s)
{
	const struct drift *d = &s->state.drift;
	char v[TERM_TEXT];

	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, *s->session_id ? s->session_id : "-",
		  term_name_columns(t, REPORT_COLUMNS - INDENT - 5 * NUMBER - 2));
	term_right(t, TINT_PLAIN, term_count(v, d->samples), NUMBER);
	term_right(t, TINT_PLAIN, term_number(v, d->first.value), NUMBER);
	term_right(t, TINT_PLAIN, term_number(v, d->last.value), NUMBER);
	term_right(t, TINT_PLAIN, term_number(v, d->most.value), NUMBER);
	term_right(t, TINT_DIM, d->most.sequence_length ? term_count(v, d->most.sequence_length) : "-", NUMBER + 2);
	term_newline(t);
}

void text_drift(struct term *t, const struct findings *f)
{
	static const enum text_id heads[] = { TEXT_TERM_SAMPLES, TEXT_TERM_FIRST, TEXT_TERM_LAST, TEXT_TERM_MAX };
	const struct session_findings *shown[DRIFTED_SHOWN];
	size_t all, n = drifted_sessions(f, shown, DRIFTED_SHOWN, &all);

	if (!n)
		return;
	term_heading(t, TEXT_TERM_DRIFT, NULL);
	term_indent(t, INDENT);
	term_left(t, TINT_DIM, term_word(t, TEXT_TERM_SESSION),
		  term_name_columns(t, REPORT_COLUMNS - INDENT - 5 * NUMBER - 2));
	for (size_t i = 0; i < 4; i++)
		term_right(t, TINT_DIM, term_word(t, heads[i]), NUMBER);
	term_right(t, TINT_DIM, term_word(t, TEXT_TERM_AT_TOKEN), NUMBER + 2);
	term_newline(t);
	for (size_t i = 0; i < n; i++)
		put_drift(t, shown[i]);
	term_more(t, INDENT, TEXT_TERM_MORE_SESSIONS, all - n);
	term_wrap(t, TINT_DIM, term_word(t, TEXT_TERM_DRIFT_REMARK), INDENT);
	term_newline(t);
}

/* --- first bad steps -------------------------------------------------------------------------- */

static void put_first_bad(struct term *t, const struct findings *f, const struct session_findings *s)
{
	const struct first_bad *b = &s->state.first_bad;
	char when[TIME_TEXT_BYTES], at[TERM_TEXT], sequence[TERM_TEXT], id[TERM_TEXT];
	const char *const args[] = { term_clean(id, t, s->session_id, 24, true), alarm_specs[b->type].label[t->lang],
				     moment_text(when, f, b->time_us), term_count(sequence, b->sequence),
				     term_count(at, b->sequence_length) };

	term_indent(t, INDENT);
	term_say(t, TINT_WARN, INDENT, b->sequence_length ? TEXT_TERM_FIRST_BAD : TEXT_TERM_FIRST_BAD_LIVE, args);
	term_newline(t);
}

void text_first_bad(struct term *t, const struct findings *f)
{
	size_t all = 0;

	for (size_t i = 0; i < f->n_sessions; i++)
		if (f->session[i].state.first_bad.known && ++all <= BAD_SHOWN)
			put_first_bad(t, f, &f->session[i]);
	if (all > BAD_SHOWN)
		term_more(t, INDENT, TEXT_TERM_MORE_SESSIONS, all - BAD_SHOWN);
}
