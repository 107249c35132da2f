#include "analyze/analysis.h"

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
	if (!gather_open(&a->gather) || (opts->session && !a->own_session)) {
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

static bool wanted(const struct analysis *a, const struct record *rec, struct slice session_id)
{
	const struct analyze_options *o = &a->opts;

	return (!o->session || slice_is(session_id, o->session)) &&
	       (!o->since_us || rec->time_us >= o->since_us) && (!o->until_us || rec->time_us <= o->until_us);
}

/* The first name a session goes by stays. */
static void learn_text(struct analysis *a, char **known, const struct record *rec, enum field_id f)
{
	struct slice text = fields_text(rec->session, f);

	if (*known || !text.n)
		return;
	*known = session_text(text);
	a->failed |= !*known;
}

static void learn_names(struct analysis *a, struct session *s, const struct record *rec)
{
	learn_text(a, &s->model_name, rec, F_MODEL_NAME);
	learn_text(a, &s->strategy, rec, F_STRATEGY);
	learn_text(a, &s->instance, rec, F_INSTANCE);
}

static void lose_series(struct analysis *a, struct session *s)
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

/* Only series that are whole are of use: a session gets one with its first step, and
 * when there are too many the smaller half of them is given up. */
static void own_series(struct analysis *a, struct session *s)
{
	if (s->has_series || s->series_lost || !s->listed || a->opts.no_session_series)
		return;
	if (a->n_owners == SERIES_OWNERS_MAX) {
		qsort(a->owner, a->n_owners, sizeof *a->owner, largest_first);
		while (a->n_owners > FINDINGS_CHARTED_SESSIONS)
			lose_series(a, a->owner[--a->n_owners]);
	}
	s->has_series = true;
	a->owner[a->n_owners++] = s;
}

/* Another thread's numbers follow what has been decided since it was here last. */
static void take_notice(const struct analysis *a, struct gather *g)
{
	if (g->losses == a->losses)
		return;
	for (size_t i = 0; i < g->n; i++)
		if (a->sessions.listed[i]->series_lost)
			gather_lose_series(g, i);
	g->losses = a->losses;
}

static void widen_span(int64_t *from_us, int64_t *to_us, bool first, int64_t time_us)
{
	*from_us = first || time_us < *from_us ? time_us : *from_us;
	*to_us = first || time_us > *to_us ? time_us : *to_us;
}

static void count_step(struct analysis *a, struct session *s, const struct record *rec)
{
	uint32_t sequence = rec->sequence;

	widen_span(&a->from_us, &a->to_us, !a->records, rec->time_us);
	a->records++;
	a->tokens += rec->token_count;
	widen_span(&s->from_us, &s->to_us, !s->records, rec->time_us);
	s->first_sequence = !s->records || sequence < s->first_sequence ? sequence : s->first_sequence;
	s->last_sequence = !s->records || sequence > s->last_sequence ? sequence : s->last_sequence;
	s->records++;
	s->tokens += rec->token_count;
}

static struct rules *rules_of(struct analysis *a, struct session *s)
{
	if (s->rules || !a->opts.rules)
		return s->rules;
	if (rules_open(&s->rules, a->opts.rules, RULES_REPLAY, NULL))
		a->failed = true;
	s->limits_version = 0;
	return s->rules;
}

static void note_limits(struct analysis *a, struct session *s)
{
	uint32_t version = rules_limits_version(s->rules);

	if (s->limits_version == version)
		return;
	limits_add(&a->limits, s->rules);
	s->limits_version = version;
}

static void judge(struct analysis *a, struct session *s, const struct record *rec)
{
	struct rule_finding found[RULES_MAX];
	struct rules *rules = rules_of(a, s);
	size_t n = rules ? rules_violated(rules, rec, found) : 0;
	uint64_t types = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rule_finding *f = &found[i];

		if (!(types >> f->type & 1))
			a->by_type[f->type]++;
		types |= UINT64_C(1) << f->type;
		if (first_bad_counts(f->type))
			first_bad_note(&s->first_bad, f->type, rec);
		a->summary[f->type] = f->summary;
		a->advice[f->type] = f->action;
		events_add(&a->events, &s->open[f->type], s->id, rec->time_us,
			   f->cooldown_us, f);
	}
	a->violating += types != 0;
	if (rules)
		note_limits(a, s);
}

static struct place place_step(struct analysis *a, struct session *s, const struct record *rec)
{
	sessions_list(&a->sessions, s);
	own_series(a, s);
	count_step(a, s, rec);
	if (a->ledger)
		ledger_step(a->ledger, &s->ledger, rec);
	jitter_add(&s->jitter, a->jitter, rec);
	judge(a, s, rec);
	return (struct place){ s->listed ? (int32_t)s->index : PLACE_OTHERS, s->has_series };
}

static void take_alarm(struct analysis *a, struct session *s, const struct record *rec)
{
	enum alarm_type type = rec->extra ? alarm_by_id(fields_text(rec->extra, F_ALARM_TYPE)) : ALARM_TYPE_COUNT;

	if (type == ALARM_TYPE_COUNT)
		return;
	a->live_alarms[type]++;
	if (first_bad_counts(type))
		first_bad_note(&s->first_bad, type, rec);
}

static void take_gap(struct analysis *a, const struct record *rec)
{
	double dropped = rec->extra ? fields_number(rec->extra, F_DROPPED, 0) : 0;

	if (dropped > 0 && dropped < 9007199254740992.0)
		a->dropped += (uint64_t)dropped;
}

/* What is no step is over with this. */
static struct place place_record(struct analysis *a, const struct record *rec, struct slice session_id)
{
	struct place nowhere = { .session = PLACE_NOWHERE };
	struct rule_finding none[RULES_MAX];
	struct session *s;

	if (rec->event != EVENT_SESSION_START && !wanted(a, rec, session_id))
		return nowhere;
	s = sessions_find(&a->sessions, session_id);
	if (!s) {
		a->failed = true;
		return nowhere;
	}
	learn_names(a, s, rec);
	switch (rec->event) {
	case EVENT_INFERENCE_STEP:
		return place_step(a, s, rec);
	case EVENT_SESSION_START:
		if (a->ledger)
			ledger_start(a->ledger, rec);
		if (rules_of(a, s))
			rules_violated(s->rules, rec, none);
		break;
	case EVENT_ALARM:
		take_alarm(a, s, rec);
		break;
	case EVENT_GAP:
		take_gap(a, rec);
		break;
	default:
		break;
	}
	return nowhere;
}

static bool make_places(struct gather *g, size_t n)
{
	struct place *grown;

	if (n <= g->place_cap)
		return true;
	grown = realloc(g->place, n * sizeof *grown);
	g->failed |= !grown;
	if (!grown)
		return false;
	g->place = grown;
	g->place_cap = n;
	return true;
}

void analyze_place(struct analysis *a, struct gather *g, const struct decoded *d, size_t n)
{
	if (!make_places(g, n)) {
		a->failed = true;
		return;
	}
	take_notice(a, g);
	for (size_t i = 0; i < n; i++)
		g->place[i] = place_record(a, &d[i].rec, d[i].session_id);
}

void analyze_push(struct analysis *a, const struct record *rec)
{
	struct decoded one;

	one.rec = *rec;
	one.session_id = fields_text(rec->session, F_SESSION_ID);
	one.decimal = 0;
	analyze_place(a, &a->gather, &one, 1);
	gather_add(&a->gather, &one, 1);
}

struct gather *analyze_helper(struct analysis *a, struct err *err)
{
	struct gather *g = malloc(sizeof *g);

	if (g && gather_open(g)) {
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
	take_notice(a, helper);
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

static void forget_owner(struct analysis *a, struct session *s)
{
	size_t i = 0;

	while (i < a->n_owners && a->owner[i] != s)
		i++;
	if (i < a->n_owners)
		a->owner[i] = a->owner[--a->n_owners];
}

/* A series is kept when both halves of it are there. */
static void merge_ownership(struct analysis *a, struct session *into, const struct session *from)
{
	if (from->series_lost || into->series_lost) {
		if (into->has_series)
			forget_owner(a, into);
		lose_series(a, into);
	} else if (from->has_series) {
		own_series(a, into);
	}
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
		merge_ownership(a, into, from);
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
