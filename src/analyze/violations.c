/* violations.c - asks the rules about runs of steps, counts what they say and makes events of it. */
#include "analyze/violations.h"

#include <stdlib.h>

#include "rules/judge.h"

struct rules *violations_rules(struct analysis *a, struct session *s)
{
	if (s->rules || !a->opts.rules)
		return s->rules;
	if (!a->learned)
		a->learned = learned_open(ruleset_learned_metrics(a->opts.rules));
	if (!a->learned || rules_open(&s->rules, a->opts.rules, RULES_REPLAY, a->learned, NULL))
		a->failed = true;
	else
		rules_set_goal(s->rules, a->opts.diagnose.goal_tps);
	s->left.types = 0;
	s->limits_version = 0;
	return s->rules;
}

static void note_limits(struct analysis *a, struct session *s)
{
	uint32_t version = rules_limits_version(s->rules);

	if (s->limits_version == version)
		return;
	limits_add(&a->limits, s->rules);
	a->suits_known = true;
	a->suited |= rules_suited(s->rules);
	s->limits_version = version;
}

static void note_time(int64_t *first_us, int64_t time_us)
{
	if (!*first_us || time_us < *first_us)
		*first_us = time_us;
}

/* Types that a rule before has found at the step. */
struct found_types {
	uint64_t violated, lasted;
};

static void note_violation(struct session_tally *t, int64_t time_us, const struct rule_finding *f,
			   const struct found_types *before)
{
	t->violated[f->type] += !(before->violated >> f->type & 1);
	note_time(&t->violated_us[f->type], time_us);
	if (f->lasted) {
		t->lasted[f->type] += !(before->lasted >> f->type & 1);
		note_time(&t->lasted_us[f->type], time_us);
	}
	if (f->type == ALARM_STATE_DIVERGENCE && f->metric == M_STATE_SIMILARITY && 1 - f->value > t->drop)
		t->drop = 1 - f->value;
}

/* What the rules found at one step. */
static void count_found(struct analysis *a, struct session *s, const struct columns *c, size_t row,
			const struct rule_finding *found, size_t n)
{
	struct found_types types = { 0 };
	bool critical = false, critical_lasted = false;

	for (size_t i = 0; i < n; i++) {
		const struct rule_finding *f = &found[i];
		const bool again = types.violated >> f->type & 1;

		note_violation(&a->all, c->time_us[row], f, &types);
		note_violation(&s->tally, c->time_us[row], f, &types);
		types.violated |= UINT64_C(1) << f->type;
		types.lasted |= (uint64_t)f->lasted << f->type;
		critical |= f->severity == SEVERITY_CRITICAL;
		critical_lasted |= f->severity == SEVERITY_CRITICAL && f->lasted;
		if (first_bad_counts(f->type)) {
			struct record rec;

			columns_record(c, row, &rec);
			first_bad_note(&s->first_bad, f->type, &rec, f->first_bad_token);
		}
		a->summary[f->type] = f->summary;
		a->advice[f->type] = f->action;
		events_add(&a->events, &s->open[f->type], (struct event_place){ s->id, s->instance }, c->time_us[row],
			   again, f->cooldown_us, f);
	}
	a->all.violating += types.violated != 0;
	a->all.critical += critical;
	a->all.critical_lasted += critical_lasted;
	s->tally.critical += critical;
	s->tally.critical_lasted += critical_lasted;
	s->tally.violating += types.violated != 0;
}

void violations_judge_row(struct analysis *a, struct session *s, const struct columns *c, size_t row)
{
	struct rules *rules = violations_rules(a, s);
	struct rule_finding found[RULES_MAX];
	struct record rec;
	size_t n, violated = 0;

	if (!rules)
		return;
	columns_record(c, row, &rec);
	n = rules_eval(rules, &rec, found);
	for (size_t i = 0; i < n; i++)
		if (found[i].violated)
			found[violated++] = found[i];
	count_found(a, s, c, row, found, violated);
	note_limits(a, s);
	if (a->awaited && rec.event == EVENT_INFERENCE_STEP) {
		const struct judged_rows one = {
			.c = c, .from = row, .n = 1, .held = columns_held(c, row, 1), .one_phase = true
		};

		a->awaited &= ~rules_able(rules, &one, 1, a->awaited);
	}
}

static bool open_judging(struct analysis *a)
{
	a->hits = a->hits ? a->hits : calloc(1, sizeof *a->hits);
	a->room = a->room ? a->room : judge_room_open(a->opts.rules, RULES_REPLAY);
	a->failed |= !a->hits || !a->room;
	return !a->failed;
}

/* The rules of a session that learn nothing, over its rows of the part; run: its first. */
static void judge_session(struct analysis *a, struct batch *b, int run)
{
	struct rules *rules = b->run[run].session->rules;
	uint64_t ahead = 0;

	for (; run >= 0; run = b->run[run].next) {
		const struct batch_run *rows = &b->run[run];

		rules_judge_rows(rules,
				 &(struct judged_rows){ .c = b->rows,
							.from = rows->from,
							.n = rows->n,
							.held = rows->held,
							.one_phase = rows->one_phase,
							.room = a->room },
				 ahead, a->hits);
		ahead += rows->n;
	}
	if (!rules_learn(rules))
		rules_pass(rules, ahead);
}

/* The rules that learn. */
static void learn_in_order(struct analysis *a, const struct batch *b, const struct batch_part *part)
{
	struct rules *rules[COLUMNS_ROWS];

	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++)
		rules[i] = b->run[i].session->rules;
	rules_learn_rows(&(struct learned_rows){ .log = b->log,
						 .rows = b->rows,
						 .times = judge_room_times(a->room),
						 .rules = rules,
						 .run = b->run_of + part->from,
						 .row = b->taken + part->from,
						 .as = b->in_order + part->from,
						 .n = part->n,
						 .first_run = part->run,
						 .n_runs = part->n_runs },
			 a->hits);
}

/* What all found. */
static void count_in_order(struct analysis *a, const struct batch *b, const struct batch_part *part)
{
	struct rule_finding found[RULES_MAX];

	for (size_t i = part->from; a->hits->n && i < (size_t)part->from + part->n; i++) {
		size_t row = b->in_order[i];

		if (a->hits->of_row[row])
			count_found(a, b->run[b->run_of[i]].session, b->rows, row, found,
				    rule_hits_at(a->hits, row, found));
	}
}

/* Which types of alarms could the rules of a session judge in the part? run: its first. */
static void note_able(struct analysis *a, const struct batch *b, int run)
{
	uint64_t left = 0;

	for (int i = run; i >= 0; i = b->run[i].next)
		left += b->run[i].n;
	for (int i = run; i >= 0 && a->awaited; i = b->run[i].next) {
		const struct batch_run *of = &b->run[i];
		const struct judged_rows rows = {
			.c = b->rows, .from = of->from, .n = of->n, .held = of->held, .one_phase = of->one_phase
		};

		a->awaited &= ~rules_able(of->session->rules, &rows, left, a->awaited);
		left -= of->n;
	}
}

void violations_judge_part(struct analysis *a, struct batch *b, const struct batch_part *part)
{
	if (!part->n_runs || !open_judging(a))
		return;
	rule_hits_begin(a->hits, b->rows->n);
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++)
		if (b->run[i].session->run == (int)i)
			judge_session(a, b, (int)i);
	if (a->learned && ruleset_learned_metrics(a->opts.rules))
		learn_in_order(a, b, part);
	count_in_order(a, b, part);
	for (size_t i = part->run; a->awaited && i < (size_t)part->run + part->n_runs; i++)
		if (b->run[i].session->run == (int)i)
			note_able(a, b, (int)i);
	a->failed |= a->hits->failed;
	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++)
		note_limits(a, b->run[i].session);
}
