#include "analyze/violations.h"

struct rules *violations_rules(struct analysis *a, struct session *s)
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

void violations_judge_row(struct analysis *a, struct session *s, const struct columns *c, size_t row)
{
	struct rules *rules = violations_rules(a, s);
	struct rule_finding found[RULES_MAX];
	struct record rec;

	if (!rules)
		return;
	columns_record(c, row, &rec);
	take_found(a, s, c, row, found, rules_violated(rules, &rec, found));
	note_limits(a, s);
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
	const struct rules *rules = run->session->rules;
	struct rule_sum sum = rules_sum(rules, rule, b->rows, run->from, run->n, &run->held, violated + run->from);
	size_t row = run->from;
	struct rule_finding f;

	while (!(violated[row] >> rule & 1))
		row++;
	rules_tell(rules, rule, b->rows, row, &f);
	return (struct broken){ .session = run->session, .cooldown_us = f.cooldown_us, .summary = f.summary, .advice = f.action,
				.event = { .type = f.type, .severity = f.severity, .metric = f.metric, .records = sum.records,
					   .from_us = sum.from_us, .to_us = sum.to_us, .worst = sum.worst, .limit = sum.limit } };
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

void violations_judge_part(struct analysis *a, const struct batch *b, const struct batch_part *part)
{
	uint64_t violated[COLUMNS_ROWS];
	struct broken broken[BROKEN_MAX];
	bool any = false;
	size_t n;

	for (size_t i = part->run; i < (size_t)part->run + part->n_runs; i++) {
		const struct batch_run *run = &b->run[i];

		any |= rules_screen(run->session->rules, b->rows, run->from, run->n, &run->held,
				    violated + run->from);
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
