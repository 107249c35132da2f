#include "analyze/analysis.h"

#include <math.h>
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

/* The first name a session goes by stays. */
static void learn_text(struct analysis *a, char **known, const struct field_values *said, enum field_id f)
{
	struct slice text = fields_text(said, f);

	if (*known || !text.n)
		return;
	*known = session_text(text);
	a->failed |= !*known;
}

static void learn_names(struct analysis *a, struct session *s, const struct field_values *said)
{
	learn_text(a, &s->model_name, said, F_MODEL_NAME);
	learn_text(a, &s->strategy, said, F_STRATEGY);
	learn_text(a, &s->instance, said, F_INSTANCE);
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

/* When, which sequences, how many tokens. */
static void count_steps(struct analysis *a, struct session *s, const struct columns *c, size_t from, size_t n)
{
	int64_t first = c->time_us[from], last = first;
	uint32_t low = c->sequence[from], high = low;
	uint64_t tokens = 0;

	for (size_t row = from; row < from + n; row++) {
		widen_span(&first, &last, false, c->time_us[row]);
		low = c->sequence[row] < low ? c->sequence[row] : low;
		high = c->sequence[row] > high ? c->sequence[row] : high;
		tokens += c->token_count[row];
	}
	widen_span(&a->from_us, &a->to_us, !a->records, first);
	widen_span(&a->from_us, &a->to_us, false, last);
	widen_span(&s->from_us, &s->to_us, !s->records, first);
	widen_span(&s->from_us, &s->to_us, false, last);
	s->first_sequence = !s->records || low < s->first_sequence ? low : s->first_sequence;
	s->last_sequence = !s->records || high > s->last_sequence ? high : s->last_sequence;
	a->records += n;
	s->records += n;
	a->tokens += tokens;
	s->tokens += tokens;
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

/* What the rules found at one step. */
static void take_found(struct analysis *a, struct session *s, const struct columns *c, size_t row,
		       const struct rule_finding *found, size_t n)
{
	uint64_t types = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rule_finding *f = &found[i];

		if (!(types >> f->type & 1))
			a->by_type[f->type]++;
		types |= UINT64_C(1) << f->type;
		if (first_bad_counts(f->type)) {
			struct record rec;

			columns_record(c, row, &rec);
			first_bad_note(&s->first_bad, f->type, &rec);
		}
		a->summary[f->type] = f->summary;
		a->advice[f->type] = f->action;
		events_add(&a->events, &s->open[f->type], s->id, c->time_us[row], f->cooldown_us, f);
	}
	a->violating += types != 0;
}

/* The session of a run's steps, listed; NULL: memory is out. */
static struct session *enter(struct analysis *a, struct batch_run *run, const struct columns *c)
{
	struct session *s = run->session = sessions_find(&a->sessions, run->id);
	const struct field_values *before = NULL;

	run->place = (struct place){ .session = PLACE_NOWHERE };
	a->failed |= !s;
	if (!s)
		return NULL;
	for (size_t row = run->from; row < (size_t)run->from + run->n; row++) {
		if (c->session[row] != before)
			learn_names(a, s, c->session[row]);
		before = c->session[row];
	}
	sessions_list(&a->sessions, s);
	own_series(a, s);
	run->place = (struct place){ s->listed ? (int32_t)s->index : PLACE_OTHERS, s->has_series };
	return s;
}

static void note_step(struct analysis *a, struct session *s, const struct columns *c, size_t row)
{
	struct record rec;

	if (!a->ledger)
		return;
	columns_record(c, row, &rec);
	ledger_step(a->ledger, &s->ledger, &rec);
}

/* One step after the other: the way for rules that need it, and when there are so many sessions that some have to give way. */
static void place_singly(struct analysis *a, struct batch *b, const struct batch_part *part)
{
	for (size_t i = part->from; i < (size_t)part->from + part->n; i++) {
		size_t row = b->in_order[i];
		struct batch_run *run = &b->run[b->run_of[row]];
		struct batch_run one = { .id = run->id, .from = (uint16_t)row, .n = 1 };
		struct session *s = enter(a, &one, b->rows);
		struct rule_finding found[RULES_MAX];
		struct record rec;

		run->place = one.place;
		if (!s)
			continue;
		count_steps(a, s, b->rows, row, 1);
		note_step(a, s, b->rows, row);
		jitter_add(&s->jitter, a->jitter, b->rows, row, 1);
		if (!rules_of(a, s))
			continue;
		columns_record(b->rows, row, &rec);
		take_found(a, s, b->rows, row, found, rules_violated(s->rules, &rec, found));
		note_limits(a, s);
	}
}

/* Sessions are told by the run that they stand in last, as if they had been found step by step. */
static void touch_in_order(struct analysis *a, const struct batch *b, const struct batch_part *part)
{
	uint16_t left[COLUMNS_ROWS];

	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++)
		left[i] = b->run[i].n;
	for (size_t i = part->from; part->n_runs > 1 && i < (size_t)part->from + part->n; i++) {
		uint16_t run = b->run_of[b->in_order[i]];

		if (!--left[run])
			sessions_find(&a->sessions, b->run[run].id);
	}
}

/* The steps of a run that break one rule. */
struct broken {
	struct session *session;
	struct anomaly_event event; /* they make up, or go on with */
	int64_t cooldown_us;
	const char *const *summary, *const *advice;
};

enum { BROKEN_MAX = 64 };

static struct broken sum_up(const struct batch *b, const struct batch_run *run, int rule, const uint64_t *violated)
{
	struct broken out = { .session = run->session };
	struct anomaly_event *e = &out.event;

	for (size_t row = run->from; row < (size_t)run->from + run->n; row++) {
		double value, limit;

		if (!(violated[row] >> rule & 1))
			continue;
		if (!e->records++) {
			struct rule_finding f;

			rules_tell(run->session->rules, rule, b->rows, row, &f);
			*e = (struct anomaly_event){ .type = f.type, .severity = f.severity, .metric = f.metric, .records = 1,
						     .from_us = b->rows->time_us[row], .to_us = b->rows->time_us[row],
						     .worst = f.value, .limit = f.limit };
			out.cooldown_us = f.cooldown_us;
			out.summary = f.summary;
			out.advice = f.action;
			continue;
		}
		widen_span(&e->from_us, &e->to_us, false, b->rows->time_us[row]);
		rules_tell_value(run->session->rules, rule, b->rows, row, &value, &limit);
		if (fabs(value - limit) > fabs(e->worst - e->limit)) {
			e->worst = value;
			e->limit = limit;
		}
	}
	return out;
}

/* What the part's runs break; false: some of it begins an event, or has to be looked at step by step for another reason. */
static bool sum_up_part(const struct batch *b, const struct batch_part *part, const uint64_t *violated,
			struct broken broken[BROKEN_MAX], size_t *n)
{
	*n = 0;
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		const struct batch_run *run = &b->run[i];
		uint64_t rules = 0, types = 0;

		for (size_t row = run->from; row < (size_t)run->from + run->n; row++)
			rules |= violated[row];
		for (; rules; rules &= rules - 1) {
			struct broken *out = &broken[*n];

			if (*n == BROKEN_MAX)
				return false;
			*out = sum_up(b, run, __builtin_ctzll(rules), violated);
			if (types >> out->event.type & 1 || first_bad_counts(out->event.type) ||
			    !events_go_on(&run->session->open[out->event.type], out->event.from_us, out->event.to_us, out->cooldown_us))
				return false;
			types |= UINT64_C(1) << out->event.type;
			++*n;
		}
	}
	return true;
}

static void take_broken(struct analysis *a, const struct broken *broken)
{
	enum alarm_type type = broken->event.type;

	a->by_type[type] += broken->event.records;
	a->summary[type] = broken->summary;
	a->advice[type] = broken->advice;
	events_add_more(&broken->session->open[type], &broken->event, broken->cooldown_us);
}

/* Events begin in the order of the log, because there may be too many of them to keep. */
static void take_in_order(struct analysis *a, const struct batch *b, const struct batch_part *part, const uint64_t *violated)
{
	for (size_t i = part->from; i < (size_t)part->from + part->n; i++) {
		size_t row = b->in_order[i], n = 0;
		struct session *s = b->run[b->run_of[row]].session;
		struct rule_finding found[RULES_MAX];

		for (uint64_t left = violated[row]; left; left &= left - 1)
			rules_tell(s->rules, __builtin_ctzll(left), b->rows, row, &found[n++]);
		take_found(a, s, b->rows, row, found, n);
	}
}

static void judge_together(struct analysis *a, const struct batch *b, const struct batch_part *part)
{
	uint64_t violated[COLUMNS_ROWS];
	struct broken broken[BROKEN_MAX];
	bool any = false;
	size_t n;

	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		const struct batch_run *run = &b->run[i];

		any |= rules_screen(run->session->rules, b->rows, run->from, run->n, run->any, run->all, violated + run->from);
		note_limits(a, run->session);
	}
	if (!any)
		return;
	if (!sum_up_part(b, part, violated, broken, &n)) {
		take_in_order(a, b, part, violated);
		return;
	}
	for (size_t row = part->from; row < (size_t)part->from + part->n; row++)
		a->violating += violated[row] != 0;
	for (size_t i = 0; i < n; i++)
		take_broken(a, &broken[i]);
}

static void place_together(struct analysis *a, struct batch *b, const struct batch_part *part)
{
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		struct batch_run *run = &b->run[i];

		if (!run->session)
			continue;
		count_steps(a, run->session, b->rows, run->from, run->n);
		jitter_add(&run->session->jitter, a->jitter, b->rows, run->from, run->n);
	}
	touch_in_order(a, b, part);
	for (size_t i = part->from; a->ledger && i < (size_t)part->from + part->n; i++)
		note_step(a, b->run[b->run_of[b->in_order[i]]].session, b->rows, b->in_order[i]);
	if (a->opts.rules)
		judge_together(a, b, part);
}

/* May a session have to give up its rules or its series for one of the part? Then it matters when. */
static bool is_crowded(const struct analysis *a, const struct batch *b, const struct batch_part *part)
{
	size_t owners = a->n_owners;

	if (a->sessions.n_active + part->n_runs > SESSIONS_ACTIVE_MAX)
		return true;
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		const struct session *s = sessions_known(&a->sessions, b->run[i].id);

		owners += !s || (!s->has_series && !s->series_lost);
	}
	return owners > SERIES_OWNERS_MAX;
}

/* All sessions of the part, in the order of their first steps; false: their steps have to go singly. */
static bool enter_all(struct analysis *a, struct batch *b, const struct batch_part *part)
{
	bool together = true;

	if (is_crowded(a, b, part))
		return false;
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		struct session *s = enter(a, &b->run[i], b->rows);

		if (!s || (a->opts.rules && !rules_of(a, s)))
			return false;
		together &= !s->rules || rules_judge_alone(s->rules);
	}
	return together;
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
static void take_event(struct analysis *a, const struct columns *c, size_t row)
{
	struct session *s = sessions_find(&a->sessions, c->session_id[row]);
	struct rule_finding none[RULES_MAX];
	struct record rec;

	a->failed |= !s;
	if (!s)
		return;
	columns_record(c, row, &rec);
	learn_names(a, s, rec.session);
	switch (rec.event) {
	case EVENT_SESSION_START:
		if (a->ledger)
			ledger_start(a->ledger, &rec);
		if (rules_of(a, s))
			rules_violated(s->rules, &rec, none);
		break;
	case EVENT_ALARM:
		take_alarm(a, s, &rec);
		break;
	case EVENT_GAP:
		take_gap(a, &rec);
		break;
	default:
		break;
	}
}

void analyze_place(struct analysis *a, struct gather *g)
{
	struct batch *b = g->batch;

	take_notice(a, g);
	for (size_t i = 0; i < b->n_parts; i++) {
		const struct batch_part *part = &b->part[i];

		if (enter_all(a, b, part))
			place_together(a, b, part);
		else
			place_singly(a, b, part);
		if (part->event >= 0)
			take_event(a, b->log, (size_t)part->event);
	}
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
