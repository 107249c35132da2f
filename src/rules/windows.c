/* windows.c - feeds the windows of a session, and lays out what they hold at each of the rows at hand. */
#include "rules/windows.h"

#include "base/decimals.h"

#include <stdlib.h>

struct judge_room {
	uint64_t has_values, has_ends; /* bits of metrics */
	double low[METRIC_COUNT], high[METRIC_COUNT];
	double v[METRIC_COUNT][RANGE_MOST];
	uint32_t now;      /* counts through the rows at hand */
	uint32_t *made;    /* (n_windows) the rows for which its line was made */
	struct line *line; /* (n_windows) */
	double *doubles;   /* of the lines */
	double *times;     /* of struct learned_rows */
	uint16_t *counts;
};

/* The metric's values, which all of the rows have; they have a room. */
static const double *values_of(const struct judged_rows *rows, enum metric_id m)
{
	double *v = rows->room->v[m];
	const int64_t *scaled = rows->c->scaled[m] + rows->from;

	if (rows->held.doubles >> m & 1)
		return rows->c->value[m] + rows->from;
	if (rows->room->has_values >> m & 1)
		return v;
	rows->room->has_values |= metric_bit(m);
	decimals_to_doubles(v, scaled, rows->n, metric_specs[m].scale);
	return v;
}

static void find_ends(const struct judged_rows *rows, enum metric_id m, double *low, double *high)
{
	const int64_t *scaled = rows->c->scaled[m] + rows->from;
	const double *v = rows->c->value[m] + rows->from;
	double scale = metric_specs[m].scale;
	int64_t least = scaled[0], most = scaled[0];

	if (rows->held.doubles >> m & 1) {
		*low = *high = v[0];
		for (size_t i = 1; i < rows->n; i++) {
			*low = v[i] < *low ? v[i] : *low;
			*high = v[i] > *high ? v[i] : *high;
		}
		return;
	}
	for (size_t i = 1; i < rows->n; i++) {
		least = scaled[i] < least ? scaled[i] : least;
		most = scaled[i] > most ? scaled[i] : most;
	}
	*low = (double)least / scale;
	*high = (double)most / scale;
}

/* The least and the greatest of the rows' values, which all of them have. */
static void ends_of(const struct judged_rows *rows, enum metric_id m, double *low, double *high)
{
	struct judge_room *room = rows->room;

	if (!room) {
		*low = *high = judged_metric(rows, 0, m);
		return;
	}
	if (!(room->has_ends >> m & 1))
		find_ends(rows, m, &room->low[m], &room->high[m]);
	room->has_ends |= metric_bit(m);
	*low = room->low[m];
	*high = room->high[m];
}

/* Are all of the rows' values within these limits? False: unknown. */
bool rows_are_within(const struct judged_rows *rows, enum metric_id m, double above, double below)
{
	double low, high;

	if (!all_have(rows, m))
		return false;
	ends_of(rows, m, &low, &high);
	return !(high > above) && !(low < below);
}

/* The one row's value as a multiple of what is normal; NAN: that is not known. */
double multiple_of(const struct judged_rows *rows, enum metric_id m, double missing)
{
	const struct normal *normal = rows->normal ? &rows->normal[m] : NULL;

	if (!normal || !level_is_known(normal->level))
		return NAN;
	return isnan(normal->value) ? missing / normal->level->normal : normal->times;
}

/* What the window takes of the row; NAN: nothing. */
static double taken_at(const struct plan_window *w, const struct judged_rows *rows, size_t row)
{
	double value;

	if (!is_of_phase(rows, row, w->phase) || length_at(rows, row) < w->after_tokens)
		return NAN;
	if (w->learned)
		return multiple_of(rows, w->metric, w->missing);
	value = judged_metric(rows, row, w->metric);
	return isnan(value) ? w->missing : value;
}

/* Have all of the rows so many tokens before them in their sequences? */
static bool all_are_after(const struct judged_rows *rows, uint64_t tokens)
{
	const uint64_t *length = rows->c->sequence_length + rows->from;
	uint64_t before = 0;

	for (size_t row = 0; tokens && row < rows->n; row++)
		before |= length[row] < tokens;
	return !before;
}

/* Are the rows' values all that the window takes? */
static bool takes_all(const struct plan_window *w, const struct judged_rows *rows)
{
	return rows->room && all_have(rows, w->metric) && !w->learned &&
	       (!w->phase || (rows->one_phase && is_of_phase(rows, 0, w->phase))) &&
	       all_are_after(rows, w->after_tokens);
}

static void fill_line(const struct line *line, const struct seen *seen, const struct plan_window *w,
		      const struct judged_rows *rows)
{
	size_t n = seen->values.n;
	bool all = takes_all(w, rows);

	window_copy(&seen->values, line->v);
	if (all)
		memcpy(line->v + n, values_of(rows, w->metric), rows->n * sizeof *line->v);
	for (size_t row = 0; row < rows->n; row++) {
		double value = all ? 0 : taken_at(w, rows, row);

		line->before[row] = (uint16_t)n;
		if (!all && !isnan(value))
			line->v[n] = value;
		n += isnan(value) ? 0 : 1;
	}
	line->before[rows->n] = (uint16_t)n;
}

struct line line_of(const struct plan *plan, const struct seen *seen, const struct judged_rows *rows, size_t window,
		    const struct line *own)
{
	struct judge_room *room = rows->room;

	if (!room || room->made[window] != room->now)
		fill_line(room ? &room->line[window] : own, &seen[window], &plan->window[window], rows);
	if (!room)
		return *own;
	room->made[window] = room->now;
	return room->line[window];
}

static void add_ends(struct seen *seen, double low, double high, size_t n)
{
	seen->low[0] = low < seen->low[0] ? low : seen->low[0];
	seen->high[0] = high > seen->high[0] ? high : seen->high[0];
	seen->fed = (uint16_t)(seen->fed + n);
	if (seen->fed < seen->values.cap)
		return;
	seen->low[1] = seen->low[0];
	seen->high[1] = seen->high[0];
	seen->low[0] = INFINITY;
	seen->high[0] = -INFINITY;
	seen->fed = 0;
}

bool seen_is_within(const struct seen *seen, double above, double below)
{
	return !(seen->high[0] > above) && !(seen->high[1] > above) && !(seen->low[0] < below) &&
	       !(seen->low[1] < below);
}

static void feed_one(struct seen *seen, const struct plan_window *w, const struct judged_rows *rows)
{
	double value = taken_at(w, rows, 0);

	if (isnan(value))
		return;
	add_ends(seen, value, value, 1);
	window_push(&seen->values, value);
}

/* All of the rows' values. */
static void feed_all(struct seen *seen, enum metric_id m, const struct judged_rows *rows)
{
	double low, high;

	ends_of(rows, m, &low, &high);
	add_ends(seen, low, high, rows->n);
	if (rows->held.doubles >> m & 1)
		window_push_many(&seen->values, rows->c->value[m] + rows->from, rows->n);
	else
		window_push_decimals(&seen->values, rows->c->scaled[m] + rows->from, rows->n, low, high);
}

/* Those that the window takes. */
static void feed_some(const struct plan *plan, struct seen *all, const struct judged_rows *rows, size_t window)
{
	const struct line line = line_of(plan, all, rows, window, NULL);
	const double *v = line.v + line.before[0];
	size_t n = (size_t)line.before[rows->n] - line.before[0];
	double low = INFINITY, high = -INFINITY;

	for (size_t i = 0; i < n; i++) {
		low = v[i] < low ? v[i] : low;
		high = v[i] > high ? v[i] : high;
	}
	if (!n)
		return;
	add_ends(&all[window], low, high, n);
	window_push_many(&all[window].values, v, n);
}

void windows_feed(const struct plan *plan, struct seen *seen, const struct judged_rows *rows)
{
	for (size_t i = 0; i < plan->n_windows; i++) {
		const struct plan_window *w = &plan->window[i];

		if (w->ordered || (!some_have(rows, w->metric) && isnan(w->missing)) || !seen[i].on)
			continue;
		if (!rows->room)
			feed_one(&seen[i], w, rows);
		else if (takes_all(w, rows))
			feed_all(&seen[i], w->metric, rows);
		else
			feed_some(plan, seen, rows, i);
	}
}

void windows_feed_ordered(const struct plan *plan, struct seen *seen, const struct judged_rows *rows)
{
	for (size_t i = 0; i < plan->n_ordered; i++)
		if (seen[plan->ordered[i]].on)
			feed_one(&seen[plan->ordered[i]], &plan->window[plan->ordered[i]], rows);
}

/* --- the room ---------------------------------------------------------------------- */

struct judge_room *judge_room_open(const struct ruleset *set, enum rules_mode mode)
{
	const struct plan *plan = set->plan[mode];
	struct judge_room *room = calloc(1, sizeof *room);
	size_t learned = (size_t)__builtin_popcountll(ruleset_learned_metrics(set));
	size_t n = plan->n_windows + 1, doubles = plan->doubles + plan->n_windows * RANGE_MOST + 1;

	if (!room)
		return NULL;
	room->made = calloc(n, sizeof *room->made);
	room->line = calloc(n, sizeof *room->line);
	room->doubles = malloc(doubles * sizeof *room->doubles);
	room->counts = malloc(n * (RANGE_MOST + 1) * sizeof *room->counts);
	room->times = malloc((learned + 1) * COLUMNS_ROWS * sizeof *room->times);
	if (!room->made || !room->line || !room->doubles || !room->counts || !room->times) {
		judge_room_close(room);
		return NULL;
	}
	for (size_t i = 0; i < plan->n_windows; i++) {
		room->line[i].v = room->doubles + plan->window[i].at + i * RANGE_MOST;
		room->line[i].before = room->counts + i * (RANGE_MOST + 1);
	}
	return room;
}

void judge_room_turn(struct judge_room *room)
{
	room->has_values = room->has_ends = 0;
	room->now++;
}

double *judge_room_times(struct judge_room *room)
{
	return room->times;
}

void judge_room_close(struct judge_room *room)
{
	if (!room)
		return;
	free(room->made);
	free(room->line);
	free(room->doubles);
	free(room->counts);
	free(room->times);
	free(room);
}
