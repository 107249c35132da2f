/* limits.c - a small set of limits, kept without duplicates. */
#include "analyze/limits.h"

static int order(const struct rule_limit *a, const struct rule_limit *b)
{
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->above != b->above)
		return a->above < b->above ? -1 : 1;
	if (a->severity != b->severity)
		return a->severity < b->severity ? -1 : 1;
	return (a->value > b->value) - (a->value < b->value);
}

static void put(struct limits *l, const struct rule_limit *limit)
{
	size_t at = 0;

	while (at < l->n && order(&l->of[at], limit) < 0)
		at++;
	if (at == FINDINGS_LIMITS_MAX)
		return;
	if (at < l->n && !order(&l->of[at], limit)) {
		l->of[at].judges_missing |= limit->judges_missing;
		return;
	}
	l->n += l->n < FINDINGS_LIMITS_MAX;
	memmove(&l->of[at + 1], &l->of[at], (l->n - 1 - at) * sizeof *l->of);
	l->of[at] = *limit;
}

void limits_add(struct limits *l, const struct rules *rules)
{
	struct rule_limit now[RULE_LIMITS_MAX];
	size_t n = rules_limits(rules, now);

	for (size_t i = 0; i < n; i++)
		put(l, &now[i]);
}

struct limit_in_force *limits_list(const struct limits *l, uint64_t have, struct arena *arena, size_t *n)
{
	struct limit_in_force *list = arena_alloc(arena, l->n + 1, sizeof *list);

	*n = 0;
	for (size_t i = 0; list && i < l->n; i++) {
		const struct rule_limit *of = &l->of[i];

		if (of->judges_missing || have & metric_bit(of->metric))
			list[(*n)++] =
				(struct limit_in_force){ of->metric, of->type, of->severity, of->above, of->value };
	}
	return list;
}
