/* able.c - whether a rule could judge: first what holds for all rows, which is cheap, then the rows. */
#include "rules/able.h"

static bool side_is_known(const struct limit *limit, double settled, const struct judged_rows *rows, size_t row)
{
	if (limit->kind == LIMIT_METRIC)
		return !isnan(limit->otherwise) || !isnan(judged_metric(rows, row, limit->of.metric));
	return limit->kind != LIMIT_NONE && !isnan(settled);
}

/* Of any of the rows? True: maybe. */
static bool side_may_be_known(const struct limit *limit, double settled, uint64_t any)
{
	if (limit->kind == LIMIT_METRIC)
		return !isnan(limit->otherwise) || any & metric_bit(limit->of.metric);
	return limit->kind != LIMIT_NONE && !isnan(settled);
}

/* Does the condition ask for a limit that none of the rows has? */
static bool lacks_limit(const struct judging *s, const struct plan_condition *c, uint64_t any)
{
	const struct limits_now *now = limits_of(s, c);

	return (c->kind == CONDITION_VALUE || c->kind == CONDITION_AHEAD) && !condition_is_bare(c->is) &&
	       !side_may_be_known(&c->is->above, now->above, any) && !side_may_be_known(&c->is->below, now->below, any);
}

/* Of a condition that learned or remembers: does it know enough? */
static bool knows(const struct judging *s, const struct plan_condition *c)
{
	switch (c->kind) {
	case CONDITION_LEARNED:
		return s->compared > 0;
	case CONDITION_AHEAD:
		return s->ahead[c->state].told;
	case CONDITION_UNUSUAL:
		return s->unusual[c->state].n >= UNUSUAL_LEAST;
	case CONDITION_BEYOND:
		return beyond_knows(&s->beyond[c->state]);
	default:
		return true;
	}
}

/* Are its windows full, as far as they have to be? */
static bool is_filled(const struct judging *s, const struct plan_condition *c)
{
	const size_t recent = c->recent == PLAN_NO_WINDOW ? 0 : s->seen[c->recent].values.n;
	const struct sudden *sudden = &c->is->sudden;

	return (c->window == PLAN_NO_WINDOW || s->seen[c->window].values.n >= c->over) &&
	       (c->recent == PLAN_NO_WINDOW || (recent > 2 && recent > sudden->of / 8));
}

static bool could_look(const struct judging *s, const struct plan_condition *c, const struct judged_rows *rows,
		       size_t row)
{
	const struct condition *is = c->is;
	const struct limits_now *now = limits_of(s, c);

	if (c->kind == CONDITION_ABSENT)
		return true;
	if (isnan(judged_metric(rows, row, is->metric)) && isnan(is->missing))
		return false;
	return (c->kind != CONDITION_VALUE && c->kind != CONDITION_AHEAD) || condition_is_bare(is) ||
	       side_is_known(&is->above, now->above, rows, row) || side_is_known(&is->below, now->below, rows, row);
}

static bool could_judge_row(const struct judging *s, const struct plan_rule *p, const struct judged_rows *rows,
			    size_t row)
{
	if (!is_of_phase(rows, row, p->is->phase) || rows->before + row + 1 <= p->warmup ||
	    length_at(rows, row) < p->is->after_tokens)
		return false;
	for (size_t i = 0; i < p->is->n_when; i++)
		if (!could_look(s, &s->plan->condition[p->first + i], rows, row))
			return false;
	return true;
}

static bool could_judge(const struct judging *s, const struct plan_rule *p, const struct judged_rows *rows)
{
	if (rule_lacks(p->is, rows->held.any) != METRIC_COUNT || rows->before + rows->n <= p->warmup)
		return false;
	for (size_t i = p->first; i < p->first + p->is->n_when; i++)
		if (!knows(s, &s->plan->condition[i]) || !is_filled(s, &s->plan->condition[i]) ||
		    lacks_limit(s, &s->plan->condition[i], rows->held.any))
			return false;
	for (size_t row = rows->n; row--;)
		if (could_judge_row(s, p, rows, row))
			return true;
	return false;
}

uint64_t able_types(const struct judging *s, const struct judged_rows *rows, uint64_t ask)
{
	uint64_t types = 0;

	for (size_t i = 0; i < s->plan->n_rules; i++) {
		const struct plan_rule *p = &s->plan->rule[i];
		const uint64_t type = UINT64_C(1) << p->is->alarm;

		if (type & ask & ~types && s->judged[i].applies && could_judge(s, p, rows))
			types |= type;
	}
	return types;
}
