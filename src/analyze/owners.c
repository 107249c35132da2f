#include "analyze/owners.h"

#include <stdlib.h>

static void lose(struct analysis *a, struct session *s)
{
	s->has_series = false;
	s->series_lost = true;
	a->losses++;
	gather_lose_series(&a->gather, s->index);
}

static int largest_first(const void *a, const void *b)
{
	const struct session *x = *(struct session *const *)a, *y = *(struct session *const *)b;

	if (x->records != y->records)
		return x->records > y->records ? -1 : 1;
	return x->from_us != y->from_us ? (x->from_us < y->from_us ? -1 : 1) : strcmp(x->id, y->id);
}

void owners_add(struct analysis *a, struct session *s)
{
	if (s->has_series || s->series_lost || !s->listed || a->opts.no_session_series)
		return;
	if (a->n_owners == SERIES_OWNERS_MAX) {
		qsort(a->owner, a->n_owners, sizeof *a->owner, largest_first);
		while (a->n_owners > FINDINGS_CHARTED_SESSIONS)
			lose(a, a->owner[--a->n_owners]);
	}
	s->has_series = true;
	a->owner[a->n_owners++] = s;
}

void owners_notice(const struct analysis *a, struct gather *g)
{
	if (g->losses == a->losses)
		return;
	for (size_t i = 0; i < g->n; i++)
		if (a->sessions.listed[i]->series_lost)
			gather_lose_series(g, i);
	g->losses = a->losses;
}

static void forget(struct analysis *a, struct session *s)
{
	size_t i = 0;

	while (i < a->n_owners && a->owner[i] != s)
		i++;
	if (i < a->n_owners)
		a->owner[i] = a->owner[--a->n_owners];
}

void owners_merge(struct analysis *a, struct session *into, const struct session *from)
{
	if (from->series_lost || into->series_lost) {
		if (into->has_series)
			forget(a, into);
		lose(a, into);
	} else if (from->has_series) {
		owners_add(a, into);
	}
}

bool owners_would_move(const struct analysis *a, size_t more)
{
	return a->n_owners + more > SERIES_OWNERS_MAX;
}
