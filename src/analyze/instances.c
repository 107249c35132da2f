#include "analyze/instances.h"

#include <stdlib.h>

/* A listed session under its instance. */
struct member {
	const char *instance;
	size_t session;
};

static int by_instance(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = strcmp(x->instance, y->instance);

	return order ? order : (x->session > y->session) - (x->session < y->session);
}

/* Where a run of equal instances begins, in order of their first sessions. */
struct group {
	const struct member *member; /* (n) */
	size_t n;
};

static int by_first_session(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->member->session > y->member->session) - (x->member->session < y->member->session);
}

static size_t find_groups(const struct member *member, size_t n, struct group *group)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (!i || strcmp(member[i].instance, member[i - 1].instance))
			group[found++] = (struct group){ .member = &member[i] };
		group[found - 1].n++;
	}
	return found;
}

static void count(struct instance_findings *out, const struct session_findings *s)
{
	out->from_us = out->sessions && out->from_us < s->from_us ? out->from_us : s->from_us;
	out->to_us = out->sessions && out->to_us > s->to_us ? out->to_us : s->to_us;
	out->sessions++;
	out->records += s->records;
	out->tokens += s->tokens;
}

static bool summarize(const struct analysis *a, const struct group *g, struct summary out[METRIC_COUNT])
{
	struct tracks whole = { .records = 0 };
	bool fine;

	for (size_t i = 0; i < g->n; i++)
		for (int phase = 0; phase < PHASE_COUNT; phase++) {
			const struct tracks *of = a->gather.session[g->member[i].session].phase[phase];

			if (of)
				tracks_merge(&whole, of);
		}
	tracks_summaries(&whole, out);
	fine = !tracks_failed(&whole);
	tracks_free(&whole);
	return fine;
}

static bool tell(const struct findings *f, const struct analysis *a, const struct group *g, struct instance_findings *out)
{
	const struct summary *known = NULL; /* of one session, or of all, it is */

	*out = (struct instance_findings){ .instance = g->member->instance };
	for (size_t i = 0; i < g->n; i++)
		count(out, &f->session[g->member[i].session]);
	if (g->n == f->sessions_total)
		known = f->metric;
	else if (g->n == 1)
		known = f->session[g->member->session].metric;
	if (!known)
		return summarize(a, g, out->metric);
	memcpy(out->metric, known, sizeof out->metric);
	return true;
}

bool instances_tell(struct findings *f, const struct analysis *a)
{
	struct member *member = malloc((f->n_sessions + 1) * sizeof *member);
	struct group *group = malloc((f->n_sessions + 1) * sizeof *group);
	bool fine = member && group;
	size_t n = 0;

	for (size_t i = 0; fine && i < f->n_sessions; i++)
		member[i] = (struct member){ f->session[i].instance, i };
	if (fine && f->n_sessions) {
		qsort(member, f->n_sessions, sizeof *member, by_instance);
		n = find_groups(member, f->n_sessions, group);
		qsort(group, n, sizeof *group, by_first_session);
	}
	f->instances_total = n;
	n = n < FINDINGS_INSTANCES_MAX ? n : FINDINGS_INSTANCES_MAX;
	f->instance = arena_alloc(&f->arena, n + 1, sizeof *f->instance);
	for (; fine && f->instance && f->n_instances < n; f->n_instances++)
		fine = tell(f, a, &group[f->n_instances], &f->instance[f->n_instances]);
	free(member);
	free(group);
	return fine;
}
