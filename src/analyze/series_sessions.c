/* series_sessions.c - gives sessions a series of their own, and takes it from the smaller half when there are too
 * many. */
#include "analyze/series_sessions.h"

#include <stdlib.h>

static size_t most_of(const struct analysis *a)
{
	const size_t asked = a->opts.series_sessions ? a->opts.series_sessions : SERIES_SESSIONS;

	return asked < SERIES_SESSIONS_MAX ? asked : SERIES_SESSIONS_MAX;
}

static void lose(struct analysis *a, struct session *s)
{
	s->has_series = false;
	s->series_lost = true;
	a->losses++;
	gathering_lose_series(&a->gather, s->index);
}

/* How large a session is. */
struct size {
	struct session *s;
	uint64_t records;
	int64_t from_us;
};

static const char *known(const char *text)
{
	return text ? text : "";
}

static int largest_first(const void *a, const void *b)
{
	const struct size *x = a, *y = b;
	int order;

	if (x->records != y->records)
		return x->records > y->records ? -1 : 1;
	if (x->from_us != y->from_us)
		return x->from_us < y->from_us ? -1 : 1;
	order = strcmp(x->s->id, y->s->id);
	return order ? order : strcmp(known(x->s->instance), known(y->s->instance));
}

/* With the rows of the part that come before row `upto` of the log. */
static struct size size_of(const struct analysis *a, struct session *s, const struct batch *b, size_t upto)
{
	struct size size = { s, s->records, s->from_us };

	if (!b || s->part != a->part)
		return size;
	for (int i = s->run; i >= 0; i = b->run[i].next) {
		const struct batch_run *run = &b->run[i];

		for (size_t row = run->from; row < (size_t)run->from + run->n && b->row[row] < upto; row++) {
			int64_t time_us = b->rows->time_us[row];

			size.from_us = !size.records || time_us < size.from_us ? time_us : size.from_us;
			size.records++;
		}
	}
	return size;
}

static void lose_smaller_half(struct analysis *a, const struct batch *b, size_t upto)
{
	struct size size[SERIES_SESSIONS_MAX];

	for (size_t i = 0; i < a->n_series_sessions; i++)
		size[i] = size_of(a, a->owner[i], b, upto);
	qsort(size, a->n_series_sessions, sizeof *size, largest_first);
	for (size_t i = 0; i < a->n_series_sessions; i++)
		a->owner[i] = size[i].s;
	while (a->n_series_sessions > most_of(a) / 2)
		lose(a, a->owner[--a->n_series_sessions]);
}

void series_sessions_add(struct analysis *a, struct session *s, const struct batch *b, size_t upto)
{
	if (s->has_series || s->series_lost || !s->listed || a->opts.no_session_series)
		return;
	if (a->n_series_sessions == most_of(a))
		lose_smaller_half(a, b, upto);
	s->has_series = true;
	a->owner[a->n_series_sessions++] = s;
}

void series_sessions_notice(const struct analysis *a, struct gathering *g)
{
	if (g->losses == a->losses)
		return;
	for (size_t i = 0; i < g->n; i++)
		if (a->sessions.listed[i]->series_lost)
			gathering_lose_series(g, i);
	g->losses = a->losses;
}
