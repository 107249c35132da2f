/* analyze.c - an analysis is opened, fed, merged with others of the same options, and closed. */
#include "analyze/analysis.h"
#include "analyze/series_sessions.h"
#include "rules/windows.h"

#include <stdlib.h>

int analyze_open(struct analysis **out, const struct analyze_options *opts, struct err *err)
{
	struct analysis *a = calloc(1, sizeof *a);

	*out = NULL;
	if (!a)
		return err_set(err, ERR_NOMEM, "no memory for the analysis");
	a->opts = *opts;
	a->sessions.most = opts->most_sessions;
	if (opts->session) {
		a->own_session = session_text(slice_of(opts->session));
		a->opts.session = a->own_session;
	}
	a->times = malloc(sizeof *a->times);
	if (a->times)
		time_breakdown_open(a->times);
	if (!gathering_open(&a->gather, &a->opts) || (opts->session && !a->own_session) || !a->times) {
		analyze_close(a);
		return err_set(err, ERR_NOMEM, "no memory for the analysis");
	}
	*out = a;
	return 0;
}

void analyze_close(struct analysis *a)
{
	if (!a)
		return;
	sessions_free(&a->sessions);
	gathering_free(&a->gather);
	events_free(&a->events);
	learned_close(a->learned);
	if (a->times)
		time_breakdown_close(a->times);
	free(a->times);
	unusual_minutes_close(&a->minutes);
	lineage_close(a->lineage);
	if (a->hits)
		free(a->hits->hit);
	free(a->hits);
	judge_room_close(a->room);
	free(a->own_session);
	free(a);
}

size_t analyze_push_columns(struct analysis *a, const struct columns *c)
{
	size_t wanted = gathering_sort(&a->gather, c);

	analyze_in_order(a, &a->gather);
	gathering_add(&a->gather);
	return wanted;
}

void analyze_hand_over(struct analysis *from, struct analysis *to)
{
	free(to->gather.batch);
	to->gather.batch = from->gather.batch;
	from->gather.batch = NULL;
	if (to->hits)
		free(to->hits->hit);
	free(to->hits);
	to->hits = from->hits;
	from->hits = NULL;
	judge_room_close(to->room);
	to->room = from->room;
	from->room = NULL;
}

void analyze_push(struct analysis *a, const struct record *rec)
{
	struct gathering *g = &a->gather;
	struct decoded one;

	if (!g->pushed)
		g->pushed = aligned_alloc(64, sizeof *g->pushed);
	a->failed |= !g->pushed;
	if (!g->pushed)
		return;
	one.rec = *rec;
	one.session_id = fields_text(rec->session, F_SESSION_ID);
	one.decimal = 0;
	one.who = 0;
	g->pushed->n = g->pushed->n_whole = 0;
	columns_add(g->pushed, &one);
	analyze_push_columns(a, g->pushed);
}

struct gathering *analyze_helper(struct analysis *a, struct err *err)
{
	struct gathering *g = malloc(sizeof *g);

	if (g && gathering_open(g, &a->opts)) {
		g->losses = a->losses;
		return g;
	}
	if (g)
		gathering_free(g);
	free(g);
	err_set(err, ERR_NOMEM, "no memory for the analysis");
	return NULL;
}

void analyze_take(struct analysis *a, struct gathering *helper)
{
	series_sessions_notice(a, helper);
	gathering_merge(&a->gather, helper);
	gathering_free(helper);
	free(helper);
}

/* --- merging ---------------------------------------------------------------------- */

static void steal_text(char **into, char **from)
{
	if (*into)
		return;
	*into = *from;
	*from = NULL;
}

static void merge_span(struct session *into, const struct session *from)
{
	bool first = !into->records;

	if (!from->records)
		return;
	widen_span(&into->from_us, &into->to_us, first, from->from_us);
	widen_span(&into->from_us, &into->to_us, false, from->to_us);
	if (first || from->first_sequence < into->first_sequence)
		into->first_sequence = from->first_sequence;
	if (first || from->last_sequence > into->last_sequence)
		into->last_sequence = from->last_sequence;
}

static void merge_session(struct analysis *a, struct session *from, struct gathering *numbers)
{
	struct session *into = sessions_find(&a->sessions, (struct slice){ from->id, from->id_bytes });
	struct accumulators *n;

	if (!into) {
		a->failed = true;
		return;
	}
	sessions_list(&a->sessions, into);
	if (into->listed)
		series_sessions_merge(a, into, from);
	if (!into->has_series)
		gathering_lose_series(numbers, from->index);
	n = into->listed ? gathering_session(&a->gather, into->index) : &a->gather.others;
	if (n && from->index < numbers->n)
		accumulators_merge(n, &numbers->session[from->index]);
	merge_span(into, from);
	jitter_merge(&into->jitter, &from->jitter, a->jitter);
	missing_merge(&into->missing, &from->missing);
	first_bad_merge(&into->first_bad, &from->first_bad);
	into->records += from->records;
	into->tokens += from->tokens;
	steal_text(&into->model_name, &from->model_name);
	steal_text(&into->strategy, &from->strategy);
	steal_text(&into->instance, &from->instance);
	steal_text(&into->device, &from->device);
	session_tally_add(&into->tally, &from->tally);
	into->ended = from->ended;
}

static void merge_counts(struct analysis *into, const struct analysis *from)
{
	if (from->records) {
		widen_span(&into->from_us, &into->to_us, !into->records, from->from_us);
		widen_span(&into->from_us, &into->to_us, false, from->to_us);
	}
	into->records += from->records;
	into->tokens += from->tokens;
	into->violating += from->violating;
	into->dropped += from->dropped;
	actions_merge(&into->actions, &from->actions);
	into->failed |= from->failed;
	for (int kind = 0; kind < COLLAPSE_KIND_COUNT; kind++)
		into->live_collapse[kind] += from->live_collapse[kind];
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		into->by_type[type] += from->by_type[type];
		into->live_alarms[type] += from->live_alarms[type];
		if (!into->summary[type]) {
			into->summary[type] = from->summary[type];
			into->advice[type] = from->advice[type];
		}
	}
}

/* What is kept of all steps together, sessions by their new indices. */
static void merge_overall(struct analysis *into, const struct analysis *from)
{
	int32_t *index = malloc((from->sessions.n_listed + 1) * sizeof *index);

	into->failed |= !index;
	if (!index)
		return;
	for (size_t i = 0; i < from->sessions.n_listed; i++) {
		const struct session *old = from->sessions.listed[i];
		const struct session *s = sessions_find(&into->sessions, (struct slice){ old->id, old->id_bytes });

		index[i] = s && s->listed ? (int32_t)s->index : PLACE_OTHERS;
	}
	gathering_merge_overall(&into->gather, &from->gather, index);
	free(index);
}

void analyze_merge(struct analysis *into, struct analysis *from)
{
	merge_counts(into, from);
	for (size_t i = 0; i < from->sessions.n_listed; i++)
		merge_session(into, from->sessions.listed[i], &from->gather);
	for (size_t i = 0; i < from->sessions.other_cap; i++)
		if (from->sessions.other[i])
			sessions_count(&into->sessions, from->sessions.other[i]);
	accumulators_merge(&into->gather.others, &from->gather.others);
	merge_overall(into, from);
	events_merge(&into->events, &from->events);
	time_breakdown_merge(into->times, from->times);
	limits_merge(&into->limits, &from->limits);
	analyze_close(from);
}
