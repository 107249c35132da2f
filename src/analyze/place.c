/* place.c - the first station: steps in the order of the log, on one thread at a time. */
#include "analyze/analysis.h"
#include "analyze/owners.h"
#include "analyze/violations.h"

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

/* When, which sequences, how many tokens. */
static void count_steps(struct analysis *a, struct session *s, const struct columns *c, size_t from, size_t n)
{
	struct range times = range_of(c->time_us + from, n);
	int64_t first = times.low, last = times.high;
	uint32_t low = c->sequence[from], high = low;
	uint64_t tokens = 0;

	for (size_t row = from; row < from + n; row++) {
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
	owners_add(a, s);
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
		struct batch_run one = { .id = run->id, .from = (uint16_t)row, .n = 1, .one_phase = true, .one_count = true };
		struct session *s = enter(a, &one, b->rows);

		run->place = one.place;
		if (!s)
			continue;
		count_steps(a, s, b->rows, row, 1);
		note_step(a, s, b->rows, row);
		jitter_add(&s->jitter, a->jitter, b->rows, &one);
		violations_judge_row(a, s, b->rows, row);
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

static void place_together(struct analysis *a, struct batch *b, const struct batch_part *part)
{
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		struct batch_run *run = &b->run[i];

		if (!run->session)
			continue;
		count_steps(a, run->session, b->rows, run->from, run->n);
		jitter_add(&run->session->jitter, a->jitter, b->rows, run);
	}
	touch_in_order(a, b, part);
	for (size_t i = part->from; a->ledger && i < (size_t)part->from + part->n; i++)
		note_step(a, b->run[b->run_of[b->in_order[i]]].session, b->rows, b->in_order[i]);
	if (a->opts.rules)
		violations_judge_part(a, b, part);
}

/* May a session have to give up its rules or its series for one of the part? Then it matters when. */
static bool is_crowded(const struct analysis *a, const struct batch *b, const struct batch_part *part)
{
	size_t more = 0;

	if (a->sessions.n_active + part->n_runs > SESSIONS_ACTIVE_MAX)
		return true;
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		const struct session *s = sessions_known(&a->sessions, b->run[i].id);

		more += !s || (!s->has_series && !s->series_lost);
	}
	return owners_would_move(a, more);
}

/* All sessions of the part, in the order of their first steps; false: their steps have to go singly. */
static bool enter_all(struct analysis *a, struct batch *b, const struct batch_part *part)
{
	bool together = true;

	if (is_crowded(a, b, part))
		return false;
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		struct session *s = enter(a, &b->run[i], b->rows);

		if (!s || (a->opts.rules && !violations_rules(a, s)))
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
		if (violations_rules(a, s))
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

	owners_notice(a, g);
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
