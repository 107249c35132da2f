/* ordered_pass.c - the first pass: processes steps in the order of the log, on one thread at a time. */
#include "analyze/analysis.h"
#include "analyze/series_sessions.h"
#include "analyze/violations.h"
#include "base/clock.h"
#include "base/utf8.h"

/* The first name a session goes by stays. */
static void learn_text(struct analysis *a, char **known, const struct field_values *said, enum field_id f)
{
	struct slice text = fields_text(said, f);

	if (*known || !text.n)
		return;
	*known = session_text(text);
	a->failed |= !*known;
}

/* What computes: the GPU, unless there is none or the strategy is the processor's. */
static void learn_device(struct analysis *a, struct session *s, const struct field_values *said)
{
	const struct slice strategy = fields_text(said, F_STRATEGY);
	const bool cpu = (strategy.n >= 3 && !memcmp(strategy.p, "cpu", 3)) || !fields_text(said, F_HOST_GPU).n;

	learn_text(a, &s->device, said, cpu ? F_HOST_CPU : F_HOST_GPU);
}

static void learn_names(struct analysis *a, struct session *s, const struct field_values *said)
{
	learn_text(a, &s->model_name, said, F_MODEL_NAME);
	learn_text(a, &s->strategy, said, F_STRATEGY);
	learn_text(a, &s->instance, said, F_INSTANCE);
	learn_device(a, s, said);
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
	widen_span(&a->from_us, &a->to_us, !a->records, first, last);
	widen_span(&s->from_us, &s->to_us, !s->records, first, last);
	s->first_sequence = !s->records || low < s->first_sequence ? low : s->first_sequence;
	s->last_sequence = !s->records || high > s->last_sequence ? high : s->last_sequence;
	missing_rows(&s->missing, c->ordinal + from, n);
	a->records += n;
	s->records += n;
	s->ended = false;
	a->tokens += tokens;
	s->tokens += tokens;
	if (!session_in_rest(s))
		return;
	widen_span(&s->of->from_us, &s->of->to_us, !s->of->records, first, last);
	s->of->records += n;
	s->of->tokens += tokens;
	s->of->ended = false;
}

/* The session of a run's steps, listed; NULL: memory is out. Of the part at hand, steps before row `upto` of the log of
 * b are not counted yet; b is NULL: they are. */
static struct session *enter(struct analysis *a, struct batch_run *run, const struct columns *c, const struct batch *b,
			     size_t upto)
{
	struct session *s = run->session = sessions_find(&a->sessions, run->id, batch_instance(run));
	const struct field_values *before = NULL;

	run->place = (struct place){ .session = PLACE_NOWHERE };
	a->failed |= !s;
	if (!s)
		return NULL;
	for (size_t row = run->from; row < (size_t)run->from + run->n; row++) {
		if (c->session[row] != before)
			learn_names(a, s, c->session[row]);
		if (row == run->from) {
			const struct time_owner who = session_owner(s); /* later rows may say more */

			time_breakdown_enter(a->times, &s->times, &who, c->time_us[row]);
		}
		before = c->session[row];
	}
	sessions_list(&a->sessions, s);
	series_sessions_add(a, s, b, upto);
	return s;
}

/* Where the numbers of a run go, after all of its part have entered: one may have taken another's place. */
static void find_place(struct batch_run *run)
{
	struct session *s = run->session;
	const struct session *home = s ? session_home(s) : NULL;

	if (s)
		run->place = (struct place){ home ? (int32_t)home->index : PLACE_OTHERS, s->has_series };
}

static void look_at_steps(struct analysis *a, struct session *s, const struct columns *c, size_t from, size_t n)
{
	const struct time_owner who = session_owner(s);

	time_breakdown_look(a->times, &s->times, &who, c, from, n);
}

/* One step after the other: the way for rules that need it. */
static void place_singly(struct analysis *a, struct batch *b, const struct batch_part *part)
{
	for (size_t i = part->from; i < (size_t)part->from + part->n; i++) {
		size_t row = b->in_order[i];
		struct batch_run *run = &b->run[b->run_of[i]];
		struct batch_run one = { .id = run->id,
					 .said = run->said,
					 .from = (uint16_t)row,
					 .n = 1,
					 .one_phase = true,
					 .one_count = true };
		struct session *s = enter(a, &one, b->rows, NULL, 0);

		if (!s)
			continue;
		count_steps(a, s, b->rows, row, 1);
		look_at_steps(a, s, b->rows, row, 1);
		time_breakdown_steps(a->times, &(struct time_progress *){ &s->times }, &(uint16_t){ 0 }, b->log,
				     &b->taken[i], &b->in_order[i], 1);
		jitter_add(&s->jitter, a->jitter, b->rows, &one);
		violations_judge_row(a, s, b->rows, row);
	}
}

/* Sessions are told by the row that they stand in last, as if they had been found step by step. */
static void touch_in_order(struct analysis *a, const struct batch *b, const struct batch_part *part)
{
	uint16_t left[COLUMNS_ROWS];

	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++)
		left[i] = b->run[i].n;
	for (size_t i = part->from; part->n_runs > 1 && i < (size_t)part->from + part->n; i++) {
		uint16_t run = b->run_of[i];

		if (!--left[run] && b->run[run].session)
			sessions_touch(&a->sessions, b->run[run].session);
	}
}

static void place_together(struct analysis *a, struct batch *b, const struct batch_part *part)
{
	struct time_progress *times[COLUMNS_ROWS]; /* by run, of the part */

	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		struct batch_run *run = &b->run[i];

		if (!run->session)
			continue;
		count_steps(a, run->session, b->rows, run->from, run->n);
		jitter_add(&run->session->jitter, a->jitter, b->rows, run);
		look_at_steps(a, run->session, b->rows, run->from, run->n);
		times[i] = &run->session->times;
	}
	touch_in_order(a, b, part);
	time_breakdown_steps(a->times, times, b->run_of + part->from, b->log, b->taken + part->from,
			     b->in_order + part->from, part->n);
	if (a->opts.rules)
		violations_judge_part(a, b, part);
}

/* All sessions of the part, in the order of their first steps. There are so few of them that none has to give up its
 * rules for another one of the part. False: its steps have to be taken one by one, as they come. */
static bool enter_all(struct analysis *a, struct batch *b, const struct batch_part *part)
{
	bool together = true;

	a->part++;
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		struct session *s = enter(a, &b->run[i], b->rows, b, b->row[b->run[i].from]);

		if (!s || (a->opts.rules && !violations_rules(a, s))) {
			together = false;
			continue;
		}
		together &= !s->rules || rules_in_steps(s->rules);
		if (s->part != a->part)
			s->run = (int)i;
		else
			together &= !batch_join(b, s->run, (int)i);
		s->part = a->part;
	}
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++)
		find_place(&b->run[i]);
	return together;
}

/* Loops are what the model says, the others how sure it is. */
static void count_collapse(struct analysis *a, struct session *s, const struct record *rec)
{
	struct slice said = fields_text(rec->extra, F_KIND);
	enum collapse_kind kind = slice_is(said, "low_entropy")    ? COLLAPSE_LOW_ENTROPY
				  : slice_is(said, "state_freeze") ? COLLAPSE_STATE_FREEZE
								   : COLLAPSE_LOOP;

	a->all.collapsed[kind]++;
	s->tally.collapsed[kind]++;
}

/* As its rule said, or else as is usual for its type. */
static enum severity severity_of(const struct record *rec, enum alarm_type type)
{
	const struct slice said = fields_text(rec->extra, F_SEVERITY);

	for (int severity = 0; severity < SEVERITY_COUNT; severity++)
		if (slice_is(said, severity_ids[severity]))
			return (enum severity)severity;
	return alarm_specs[type].severity;
}

static void tally_alarm(struct session_tally *t, enum alarm_type type, enum severity severity)
{
	t->alarmed[type]++;
	t->live_critical += severity == SEVERITY_CRITICAL;
	session_alarmed(t, type, 1U + severity);
}

static void count_alarm(struct analysis *a, struct session *s, const struct record *rec)
{
	enum alarm_type type = rec->extra ? alarm_by_id(fields_text(rec->extra, F_ALARM_TYPE)) : ALARM_TYPE_COUNT;

	if (type == ALARM_TYPE_COUNT)
		return;
	tally_alarm(&a->all, type, severity_of(rec, type));
	tally_alarm(&s->tally, type, severity_of(rec, type));
	if (!s->tally.alarmed_us[type] || rec->time_us < s->tally.alarmed_us[type])
		s->tally.alarmed_us[type] = rec->time_us;
	if (type == ALARM_MODE_COLLAPSE)
		count_collapse(a, s, rec);
	if (first_bad_counts(type))
		first_bad_note(&s->first_bad, type, rec, 0);
}

static void count_gap(struct analysis *a, struct session *s, const struct record *rec)
{
	uint64_t dropped = fields_count(rec->extra, F_DROPPED);

	a->all.dropped += dropped;
	s->tally.dropped += dropped;
}

static void count_undelivered(struct analysis *a, struct session *s, const struct field_values *totals)
{
	enum { WHY_BYTES = 255 };
	struct slice why = fields_text(totals, F_TOTAL_UNDELIVERED_WHY);
	struct session_tally told = {
		.undelivered = { .alarms = fields_count(totals, F_TOTAL_UNDELIVERED),
				 .critical = fields_count(totals, F_TOTAL_UNDELIVERED_CRITICAL) },
	};

	if (!told.undelivered.alarms && !told.undelivered.critical)
		return;
	why.n = utf8_whole_prefix(why.p, why.n < WHY_BYTES ? why.n : WHY_BYTES);
	told.undelivered.why = arena_copy(&a->times->texts, why);
	session_tally_add(&a->all, &told);
	session_tally_add(&s->tally, &told);
}

/* A stream's says only what its handle's did not. */
static void count_start(struct analysis *a, struct session *s, struct record *rec)
{
	const struct time_owner who = session_owner(s);
	struct rule_finding none[RULES_MAX];
	struct field_values whole;

	if (!a->lineage)
		a->lineage = lineage_open();
	rec->session = lineage_of(a->lineage, rec, &whole);
	learn_names(a, s, rec->session);
	time_breakdown_start(a->times, &s->times, &who, rec);
	if (violations_rules(a, s))
		rules_eval(s->rules, rec, none);
}

/* What is no step is over with this. */
static void count_event(struct analysis *a, const struct columns *c, size_t row)
{
	struct session *s = sessions_find(&a->sessions, c->session_id[row], fields_text(c->session[row], F_INSTANCE));
	struct record rec;
	bool first; /* not a line that is there twice: an alarm, a gap or an act would count again */

	a->failed |= !s;
	if (!s)
		return;
	columns_record(c, row, &rec);
	learn_names(a, s, rec.session);
	first = missing_event(&s->missing, &rec);
	if (!first && rec.event != EVENT_SESSION_START && rec.event != EVENT_SESSION_END)
		return;
	s->ended = rec.event == EVENT_SESSION_END;
	if (session_in_rest(s))
		s->of->ended = s->ended;
	switch (rec.event) {
	case EVENT_SESSION_START:
		count_start(a, s, &rec);
		break;
	case EVENT_SESSION_END:
		time_breakdown_totals(a->times, &s->times, rec.extra);
		session_forget_rules(s);
		if (first && rec.extra)
			count_undelivered(a, s, rec.extra);
		break;
	case EVENT_ALARM:
		count_alarm(a, s, &rec);
		break;
	case EVENT_GAP:
		count_gap(a, s, &rec);
		break;
	case EVENT_ACTION:
		actions_count(&a->actions, &rec);
		break;
	default:
		break;
	}
}

void analyze_in_order(struct analysis *a, struct gathering *g)
{
	struct batch *b = g->batch;

	series_sessions_notice(a, g);
	for (size_t i = 0; i < b->n_parts; i++) {
		const struct batch_part *part = &b->part[i];

		if (enter_all(a, b, part))
			place_together(a, b, part);
		else
			place_singly(a, b, part);
		if (part->event >= 0)
			count_event(a, b->log, (size_t)part->event);
	}
}
