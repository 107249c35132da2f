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
	if (at == FINDINGS_LIMITS_MAX || (at < l->n && !order(&l->of[at], limit)))
		return;
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

struct limit_in_force *limits_list(const struct limits *l, struct arena *arena, size_t *n)
{
	struct limit_in_force *list = arena_alloc(arena, l->n + 1, sizeof *list);

	*n = list ? l->n : 0;
	for (size_t i = 0; i < *n; i++)
		list[i] = (struct limit_in_force){ l->of[i].metric, l->of[i].type, l->of[i].severity, l->of[i].above,
						   l->of[i].value };
	return list;
}
