#include "analyze/analysis.h"
#include "analyze/owners.h"

#include <stdlib.h>

int analyze_open(struct analysis **out, const struct analyze_options *opts, struct err *err)
{
	struct analysis *a = calloc(1, sizeof *a);

	*out = NULL;
	if (!a)
		return err_set(err, ERR_NOMEM, "no memory for the analysis");
	a->opts = *opts;
	if (opts->session) {
		a->own_session = session_text(slice_of(opts->session));
		a->opts.session = a->own_session;
	}
	if (opts->ledger) {
		a->ledger = malloc(sizeof *a->ledger);
		a->failed |= !a->ledger || !ledger_open(a->ledger);
	}
	if (!gather_open(&a->gather, &a->opts) || (opts->session && !a->own_session)) {
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
	gather_free(&a->gather);
	events_free(&a->events);
	if (a->ledger)
		ledger_close(a->ledger);
	free(a->ledger);
	free(a->own_session);
	free(a);
}
void analyze_push(struct analysis *a, const struct record *rec)
{
	struct gather *g = &a->gather;
	struct decoded one;

	if (!g->pushed)
		g->pushed = aligned_alloc(64, sizeof *g->pushed);
	a->failed |= !g->pushed;
	if (!g->pushed)
		return;
	one.rec = *rec;
	one.session_id = fields_text(rec->session, F_SESSION_ID);
	one.decimal = 0;
	g->pushed->n = g->pushed->n_whole = 0;
	columns_add(g->pushed, &one);
	gather_sort(g, g->pushed);
	analyze_place(a, g);
	gather_add(g);
}

struct gather *analyze_helper(struct analysis *a, struct err *err)
{
	struct gather *g = malloc(sizeof *g);

	if (g && gather_open(g, &a->opts)) {
		g->losses = a->losses;
		return g;
	}
	if (g)
		gather_free(g);
	free(g);
	err_set(err, ERR_NOMEM, "no memory for the analysis");
	return NULL;
}

void analyze_take(struct analysis *a, struct gather *helper)
{
	owners_notice(a, helper);
	gather_merge(&a->gather, helper);
	gather_free(helper);
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

static void merge_session(struct analysis *a, struct session *from, struct gather *numbers)
{
	struct session *into = sessions_find(&a->sessions, (struct slice){ from->id, from->id_bytes });
	struct numbers *n;

	if (!into) {
		a->failed = true;
		return;
	}
	sessions_list(&a->sessions, into);
	if (into->listed)
		owners_merge(a, into, from);
	if (!into->has_series)
		gather_lose_series(numbers, from->index);
	n = into->listed ? gather_session(&a->gather, into->index) : &a->gather.others;
	if (n && from->index < numbers->n)
		numbers_merge(n, &numbers->session[from->index]);
	merge_span(into, from);
	jitter_merge(&into->jitter, &from->jitter, a->jitter);
	first_bad_merge(&into->first_bad, &from->first_bad);
	into->records += from->records;
	into->tokens += from->tokens;
	steal_text(&into->model_name, &from->model_name);
	steal_text(&into->strategy, &from->strategy);
	steal_text(&into->instance, &from->instance);
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
	into->failed |= from->failed;
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
	gather_merge_overall(&into->gather, &from->gather, index);
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
	numbers_merge(&into->gather.others, &from->gather.others);
	merge_overall(into, from);
	events_merge(&into->events, &from->events);
	if (into->ledger && from->ledger)
		ledger_merge(into->ledger, from->ledger);
	limits_merge(&into->limits, &from->limits);
	analyze_close(from);
}
