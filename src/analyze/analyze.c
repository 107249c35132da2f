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
	if (!buckets_open(&a->others_series, FINDINGS_BUCKETS_MAX, METRIC_COUNT) ||
	    (opts->session && !a->own_session)) {
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
	for (int phase = 0; phase < PHASE_COUNT; phase++)
		if (a->others[phase]) {
			tracks_free(a->others[phase]);
			free(a->others[phase]);
		}
	buckets_free(&a->others_series);
	events_free(&a->events);
	if (a->ledger)
		ledger_close(a->ledger);
	free(a->ledger);
	free(a->own_session);
	free(a);
}

static bool wanted(const struct analysis *a, const struct record *rec)
{
	const struct analyze_options *o = &a->opts;

	return (!o->session || slice_is(fields_text(rec->session, F_SESSION_ID), o->session)) &&
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

static struct tracks *tracks_of(struct analysis *a, struct session *s, enum phase phase)
{
	struct tracks **at = s->listed ? &s->phase[phase] : &a->others[phase];

	if (!*at)
		*at = calloc(1, sizeof **at);
	a->failed |= !*at;
	return *at;
}

static void give_up_series(struct analysis *a, struct session *s)
{
	buckets_merge(&a->others_series, s->series);
	a->failed |= a->others_series.failed;
	buckets_free(s->series);
	free(s->series);
	s->series = NULL;
	s->series_lost = true;
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
	if (a->n_owners == SERIES_OWNERS_MAX) {
		qsort(a->owner, a->n_owners, sizeof *a->owner, largest_first);
		while (a->n_owners > FINDINGS_CHARTED_SESSIONS)
			give_up_series(a, a->owner[--a->n_owners]);
	}
	s->series = malloc(sizeof *s->series);
	if (!s->series || !buckets_open(s->series, FINDINGS_BUCKETS_MAX, METRIC_COUNT)) {
		free(s->series);
		s->series = NULL;
		a->failed = true;
		return;
	}
	a->owner[a->n_owners++] = s;
}

static void add_to_series(struct analysis *a, struct session *s, const struct record *rec)
{
	struct buckets *b;
	size_t at;

	if (s->listed && !s->series && !s->series_lost && !a->opts.no_session_series)
		own_series(a, s);
	b = s->series ? s->series : &a->others_series;
	at = buckets_at(b, rec->time_us);
	for (uint64_t have = rec->have; have; have &= have - 1) {
		int m = __builtin_ctzll(have);

		buckets_add(b, at, (size_t)m, metric_specs[m].scale, rec->metric[m]);
	}
	a->failed |= b->failed;
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
	if (!s->rules && a->opts.rules && rules_open(&s->rules, a->opts.rules, RULES_REPLAY, NULL))
		a->failed = true;
	return s->rules;
}

static void judge(struct analysis *a, struct session *s, const struct record *rec)
{
	struct rule_finding found[RULES_MAX];
	struct rules *rules = rules_of(a, s);
	size_t n = rules ? rules_eval(rules, rec, found) : 0;
	uint64_t types = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rule_finding *f = &found[i];

		if (!f->violated)
			continue;
		if (!(types >> f->type & 1))
			a->by_type[f->type]++;
		types |= UINT64_C(1) << f->type;
		a->summary[f->type] = f->summary;
		a->advice[f->type] = f->action;
		events_add(&a->events, &s->open[f->type], s->id, rec->time_us,
			   1000 * rules_cooldown_ms(rules, f->rule), f);
	}
	a->violating += types != 0;
}

static void take_step(struct analysis *a, struct session *s, const struct record *rec)
{
	struct tracks *tracks;

	sessions_list(&a->sessions, s);
	tracks = tracks_of(a, s, rec->phase);
	if (tracks)
		tracks_add(tracks, rec);
	count_step(a, s, rec);
	if (record_has(rec, M_STATE_SIMILARITY) && record_has(rec, M_LOGITS_ENTROPY) && s->listed)
		comoments_add(&s->similarity_entropy, rec->metric[M_STATE_SIMILARITY], rec->metric[M_LOGITS_ENTROPY]);
	add_to_series(a, s, rec);
	if (a->ledger)
		ledger_step(a->ledger, &s->ledger, rec);
	judge(a, s, rec);
}

static void take_alarm(struct analysis *a, const struct record *rec)
{
	enum alarm_type type = rec->extra ? alarm_by_id(fields_text(rec->extra, F_ALARM_TYPE)) : ALARM_TYPE_COUNT;

	if (type != ALARM_TYPE_COUNT)
		a->live_alarms[type]++;
}

static void take_gap(struct analysis *a, const struct record *rec)
{
	double dropped = rec->extra ? fields_number(rec->extra, F_DROPPED, 0) : 0;

	if (dropped > 0 && dropped < 9007199254740992.0)
		a->dropped += (uint64_t)dropped;
}

void analyze_push(struct analysis *a, const struct record *rec)
{
	struct rule_finding none[RULES_MAX];
	struct session *s;

	if (rec->event != EVENT_SESSION_START && !wanted(a, rec))
		return;
	s = sessions_find(&a->sessions, fields_text(rec->session, F_SESSION_ID));
	if (!s) {
		a->failed = true;
		return;
	}
	learn_names(a, s, rec);
	switch (rec->event) {
	case EVENT_INFERENCE_STEP:
		take_step(a, s, rec);
		break;
	case EVENT_SESSION_START:
		if (a->ledger)
			ledger_start(a->ledger, rec);
		if (rules_of(a, s))
			rules_eval(s->rules, rec, none);
		break;
	case EVENT_ALARM:
		take_alarm(a, rec);
		break;
	case EVENT_GAP:
		take_gap(a, rec);
		break;
	default:
		break;
	}
}

/* --- merging ---------------------------------------------------------------------- */

static void merge_tracks(struct analysis *a, struct tracks **into, const struct tracks *from)
{
	if (!from)
		return;
	if (!*into)
		*into = calloc(1, sizeof **into);
	if (*into)
		tracks_merge(*into, from);
	else
		a->failed = true;
}

static void steal_text(char **into, char **from)
{
	if (*into)
		return;
	*into = *from;
	*from = NULL;
}

static void merge_series(struct analysis *a, struct session *into, struct session *from)
{
	bool lost = into->series_lost || from->series_lost || !into->listed;

	if (!from->series)
		return;
	if (!into->series && !lost)
		own_series(a, into);
	buckets_merge(into->series ? into->series : &a->others_series, from->series);
	a->failed |= into->series && into->series->failed;
}

static void lose_series(struct analysis *a, struct session *s)
{
	size_t i = 0;

	while (i < a->n_owners && a->owner[i] != s)
		i++;
	if (i == a->n_owners)
		return;
	a->owner[i] = a->owner[--a->n_owners];
	give_up_series(a, s);
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

static void merge_session(struct analysis *a, struct session *from)
{
	struct session *into = sessions_find(&a->sessions, (struct slice){ from->id, from->id_bytes });

	if (!into) {
		a->failed = true;
		return;
	}
	if (from->listed)
		sessions_list(&a->sessions, into);
	if (from->series_lost && into->series)
		lose_series(a, into);
	into->series_lost |= from->series_lost;
	merge_series(a, into, from);
	for (int phase = 0; phase < PHASE_COUNT; phase++)
		merge_tracks(a, into->listed ? &into->phase[phase] : &a->others[phase], from->phase[phase]);
	comoments_merge(&into->similarity_entropy, &from->similarity_entropy);
	merge_span(into, from);
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

void analyze_merge(struct analysis *into, struct analysis *from)
{
	merge_counts(into, from);
	for (size_t i = 0; i < from->sessions.n_listed; i++)
		merge_session(into, from->sessions.listed[i]);
	for (size_t i = 0; i < from->sessions.other_cap; i++)
		if (from->sessions.other[i])
			sessions_count(&into->sessions, from->sessions.other[i]);
	for (int phase = 0; phase < PHASE_COUNT; phase++)
		merge_tracks(into, &into->others[phase], from->others[phase]);
	buckets_merge(&into->others_series, &from->others_series);
	events_merge(&into->events, &from->events);
	if (into->ledger && from->ledger)
		ledger_merge(into->ledger, from->ledger);
	analyze_close(from);
}
