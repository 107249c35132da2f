/* learning.c - series become points to learn from, without what an alarm was about. */
#include "analyze/learning.h"

#include "analyze/foreseen.h"
#include "analyze/sessions.h"
#include "spec/fields.h"

#include <math.h>

void learning_open(struct learning *l, const struct stated_limits *stated)
{
	*l = (struct learning){ .flooded_us = INT64_MAX };
	l->set.n_metrics = foreseen_metrics(stated, l->metric, LEARN_METRICS_MAX);
	for (size_t m = 0; m < l->set.n_metrics; m++)
		snprintf(l->set.metric[m], TRAINED_NAME_BYTES, "%s", metric_specs[l->metric[m]].id);
}

void learning_free(struct learning *l)
{
	learn_set_free(&l->set);
}

/* --- alarms ------------------------------------------------------------------------------ */

void learning_next(struct learning *l)
{
	l->n_fired = 0;
	l->most_points = 0;
	l->flooded_us = INT64_MAX;
}

static void note_begin(struct learning *l, enum alarm_type type, int64_t from_us)
{
	if (l->n_fired < FIRED_MAX)
		l->fired[l->n_fired++] = (struct fired){ type, from_us, INT64_MAX };
	else if (from_us < l->flooded_us)
		l->flooded_us = from_us;
}

/* The earliest one of that type that is still on. */
static void note_end(struct learning *l, enum alarm_type type, int64_t to_us)
{
	for (size_t i = 0; i < l->n_fired; i++)
		if (l->fired[i].type == type && l->fired[i].to_us == INT64_MAX) {
			l->fired[i].to_us = to_us;
			return;
		}
}

void learning_see(struct learning *l, const struct columns *c)
{
	for (size_t i = 0; i < c->n_whole; i++) {
		const struct record *r = &c->record[i];
		enum alarm_type type = r->extra ? alarm_by_id(fields_text(r->extra, F_ALARM_TYPE)) : ALARM_TYPE_COUNT;

		if (r->event == EVENT_ALARM)
			note_begin(l, type, r->time_us);
		else if (r->event == EVENT_ALARM_RESOLVED)
			note_end(l, type, r->time_us);
	}
}

static bool is_fired(const struct learning *l, const struct findings *f, int64_t from_us, int64_t to_us)
{
	if (to_us > l->flooded_us)
		return true;
	for (size_t i = 0; i < l->n_fired; i++)
		if (l->fired[i].from_us < to_us && l->fired[i].to_us >= from_us)
			return true;
	for (size_t i = 0; i < f->n_events; i++)
		if (f->event[i].from_us < to_us && f->event[i].to_us >= from_us)
			return true;
	return false;
}

/* --- points ------------------------------------------------------------------------------ */

/* Which of the points fall into an alarm; returns their number. */
static size_t mark_fired(const struct learning *l, const struct findings *f, const struct series *s, size_t per,
			 bool *out)
{
	size_t n = s->n / per, marked = 0;
	int64_t from_us = s->from_us + (int64_t)(s->n - n * per) * s->width_us, step_us = (int64_t)per * s->width_us;

	for (size_t i = 0; i < n; i++) {
		out[i] = is_fired(l, f, from_us + (int64_t)i * step_us, from_us + (int64_t)(i + 1) * step_us);
		marked += out[i];
	}
	return marked;
}

/* The series whose points are `per` buckets; foretold are the metrics that want them so. */
static bool add_spaced(struct learning *l, const struct findings *f, const struct series *s, size_t per,
		       const size_t *wanted, uint64_t group)
{
	struct learn_series *out = learn_set_add(&l->set);
	bool fired[FORECAST_POINTS_MAX];

	if (!out)
		return false;
	out->group = group;
	out->n = s->n / per;
	l->points_left_out += mark_fired(l, f, s, per, fired);
	for (size_t m = 0; m < l->set.n_metrics; m++) {
		const struct bucket *row = foreseen_row(s, l->metric[m]);

		if (!row)
			continue;
		out->y[m] = arena_alloc(&l->set.arena, out->n, sizeof(double));
		if (!out->y[m])
			return false;
		foreseen_points(row, s->n, per, out->y[m]);
		for (size_t i = 0; i < out->n; i++)
			out->y[m][i] = fired[i] ? (double)NAN : out->y[m][i];
		out->foretold[m] = wanted[m] == per;
	}
	return true;
}

/* The sessions of the instance belong together: the first of them names the group. */
static bool add_sessions(struct learning *l, const struct findings *f, const char *instance, uint64_t *group)
{
	bool any = false;

	for (size_t i = 0; i < f->n_sessions; i++) {
		const uint64_t hash = session_key(slice_of(f->session[i].session_id), slice_of(f->session[i].instance));

		if (instance && strcmp(f->session[i].instance, instance))
			continue;
		*group = any ? *group : hash;
		any = true;
		if (!learn_set_session(&l->set, hash, *group))
			return false;
	}
	return true;
}

bool learning_add(struct learning *l, const struct findings *f, const struct series *s, const char *instance)
{
	size_t wanted[LEARN_METRICS_MAX] = { 0 };
	double y[FORECAST_POINTS_MAX];
	uint64_t group = 0;
	bool fine = true, any = false;

	for (size_t m = 0; m < l->set.n_metrics; m++) {
		const struct bucket *row = foreseen_row(s, l->metric[m]);
		size_t per, points = row ? foreseen_choose(row, s->n, y, &per) : 0;

		if (points > l->most_points)
			l->most_points = points;
		if (points >= FORECAST_POINTS_LEAST)
			wanted[m] = per;
		any |= wanted[m] > 0;
	}
	if (any)
		fine &= add_sessions(l, f, instance, &group);
	for (size_t m = 0; fine && m < l->set.n_metrics; m++) {
		bool done = !wanted[m];

		for (size_t k = 0; k < m; k++)
			done |= wanted[k] == wanted[m];
		fine = done || add_spaced(l, f, s, wanted[m], wanted, group);
	}
	return fine;
}

/* --- judging ----------------------------------------------------------------------------- */

struct errors {
	double own, last;
};

/* Of all that is said of the second half's points. */
static void add_errors(struct errors *e, const double *y, size_t n, double (*said)[FORECAST_STEPS_MAX])
{
	for (size_t at = n / 2; at < n; at++)
		for (size_t k = 0; k < FORECAST_STEPS_MAX && at + k < n; k++) {
			double last = fabs(y[at - 1] - y[at + k]);

			if (!isfinite(last))
				continue;
			e->own += fabs(said[at][k] - y[at + k]);
			e->last += last;
		}
}

/* y in the order of the model's metrics. */
static void order_points(const struct learning *l, const struct learn_series *s, const struct trained *model,
			 const double **y)
{
	for (size_t m = 0; m < model->n_metrics; m++)
		for (size_t k = 0; k < l->set.n_metrics; k++)
			if (!strcmp(model->metric[m], l->set.metric[k]))
				y[m] = s->y[k];
}

static void judge_series(const struct learn_series *s, const struct trained *model, size_t number,
			 const double *const *y, struct learning_row *row, struct errors *e)
{
	double said[FORECAST_POINTS_MAX + 1][FORECAST_STEPS_MAX];
	struct forecast is;

	if (!trained_say(model, y, s->n, number, said))
		return;
	forecast_series(y[number], s->n, forecast_ends(y[number], s->n), said, &is);
	if (is.state < FORECAST_NO_SKILL)
		return;
	row->series++;
	if (is.state == FORECAST_SKILLED)
		row->won[is.model]++;
	else
		row->none++;
	add_errors(e, y[number], s->n, said);
}

size_t learning_judge(const struct learning *l, const struct trained *model, struct learning_row *rows)
{
	size_t n = 0;

	for (size_t m = 0; m < model->n_metrics; m++) {
		struct learning_row row = { .metric = metric_by_id(slice_of(model->metric[m])) };
		struct errors e = { 0 };

		for (size_t i = 0; i < l->set.n; i++) {
			const struct learn_series *s = &l->set.series[i];
			const double *y[TRAINED_METRICS_MAX] = { NULL };

			for (size_t k = 0; s->part == LEARN_JUDGE && k < l->set.n_metrics; k++) {
				if (l->metric[k] != row.metric || !s->foretold[k])
					continue;
				order_points(l, s, model, y);
				judge_series(s, model, m, y, &row, &e);
			}
		}
		row.lstm_skill = e.last > 0 ? 1 - e.own / e.last : (double)NAN;
		if (row.series)
			rows[n++] = row;
	}
	return n;
}
