/* tuning.c - limits, choice and front. */
#include "analyze/tuning.h"

#include "spec/diagnosis.h"

#include <math.h>

double tuning_tps(double ln_ns)
{
	return 1e9 / exp(ln_ns);
}

void tuning_limit(struct tuning_heat *heat, const struct tuning_limits *limits)
{
	for (size_t i = 0; i < heat->race.n; i++) {
		struct tuning_candidate *c = &heat->of[i];

		if (c->fate == FATE_UNMEASURED && c->memory_mb > limits->memory_mb)
			c->fate = FATE_MEMORY;
		if (c->fate == FATE_UNMEASURED && (c->kl_high > limits->kl || (isnan(c->kl) && !isnan(limits->kl))))
			c->fate = FATE_QUALITY;
		heat->race.out[i] = c->fate != FATE_UNMEASURED;
	}
}

static bool is_measured(const struct tuning_heat *h, size_t i)
{
	return h->race.rounds[i] > 0;
}

/* At worst; with too few rounds for an interval, on average. */
static double surely_tps(const struct tuning_candidate *c)
{
	return tuning_tps(isnan(c->level.high) ? c->level.mean : c->level.high);
}

static bool less(double a, double b)
{
	return a < b - RACE_MATTERS * fabs(b);
}

/* Of two that are equally fast. */
static bool is_smaller(const struct tuning_candidate *a, const struct tuning_candidate *b)
{
	if (less(a->memory_mb, b->memory_mb) || less(b->memory_mb, a->memory_mb))
		return less(a->memory_mb, b->memory_mb);
	if (a->kl != b->kl)
		return a->kl < b->kl;
	return a->threads < b->threads;
}

static bool may_be_chosen(const struct tuning_heat *h, size_t i)
{
	return is_measured(h, i) && h->of[i].fate == FATE_UNMEASURED;
}

static size_t fastest(const struct tuning_heat *h)
{
	size_t best = h->race.n;

	for (size_t i = 0; i < h->race.n; i++)
		if (may_be_chosen(h, i) &&
		    (best == h->race.n || (h->race.out[best] && !h->race.out[i]) ||
		     (h->race.out[best] == h->race.out[i] && h->of[i].level.mean < h->of[best].level.mean)))
			best = i;
	return best;
}

static size_t choose_fast(const struct tuning_heat *h)
{
	size_t leader = fastest(h), best = leader;

	for (size_t i = 0; i < h->race.n; i++) {
		struct race_gap g;

		if (!may_be_chosen(h, i) || h->race.out[i] || i == leader)
			continue;
		g = race_gap(&h->race, i, leader);
		if (!race_apart(&g) && g.mean < RACE_CLOSE && is_smaller(&h->of[i], &h->of[best]))
			best = i;
	}
	return best;
}

static size_t choose_small(const struct tuning_heat *h)
{
	size_t best = h->race.n;

	for (size_t i = 0; i < h->race.n; i++) {
		const struct tuning_candidate *c = &h->of[i], *b = &h->of[best == h->race.n ? i : best];

		if (may_be_chosen(h, i) && (best == h->race.n || less(c->memory_mb, b->memory_mb) ||
					    (!less(b->memory_mb, c->memory_mb) && c->level.mean < b->level.mean)))
			best = i;
	}
	return best;
}

static enum tuning_fate fate_beside(const struct tuning_heat *h, size_t i)
{
	const struct race_gap *g = &h->of[i].behind;

	if (race_apart(g))
		return g->mean > 0 ? FATE_SLOWER : FATE_FASTER;
	if (h->race.out[i])
		return FATE_LEFT;
	return fmax(-g->low, g->high) < limit_of(T_TOO_WIDE) ? FATE_SAME : FATE_UNDECIDED;
}

/* `a` is in nothing worse than `b`, and in something better. */
static bool beats(const struct tuning_candidate *a, const struct tuning_candidate *b)
{
	if (b->level.mean < a->level.mean - RACE_MATTERS || less(b->memory_mb, a->memory_mb) || b->kl < a->kl)
		return false;
	return a->level.mean < b->level.mean - RACE_MATTERS || less(a->memory_mb, b->memory_mb) || a->kl < b->kl;
}

static bool is_front(const struct tuning_heat *h, size_t i)
{
	for (size_t j = 0; j < h->race.n; j++)
		if (is_measured(h, j) && beats(&h->of[j], &h->of[i]))
			return false;
	return is_measured(h, i);
}

void tuning_choose(struct tuning_heat *heat, const struct tuning_limits *limits, enum tuning_objective objective)
{
	size_t n = heat->race.n;

	for (size_t i = 0; i < n; i++) {
		struct tuning_candidate *c = &heat->of[i];

		c->level = race_level(&heat->race, i);
		c->behind = (struct race_gap){ NAN, NAN, NAN };
		if (may_be_chosen(heat, i) && surely_tps(c) < limits->tps)
			c->fate = FATE_SPEED;
	}
	heat->chosen = objective == TUNE_MEMORY ? choose_small(heat) : choose_fast(heat);
	for (size_t i = 0; i < n; i++) {
		struct tuning_candidate *c = &heat->of[i];

		c->front = is_front(heat, i);
		if (heat->chosen == n || !is_measured(heat, i))
			continue;
		c->behind = race_gap(&heat->race, i, heat->chosen);
		if (c->fate == FATE_UNMEASURED)
			c->fate = i == heat->chosen ? FATE_CHOSEN : fate_beside(heat, i);
	}
}

static bool before(const struct tuning_heat *h, size_t a, size_t b)
{
	if (is_measured(h, a) != is_measured(h, b))
		return is_measured(h, a);
	return is_measured(h, a) && h->of[a].level.mean < h->of[b].level.mean;
}

void tuning_order(const struct tuning_heat *heat, size_t order[RACE_MAX])
{
	for (size_t i = 0; i < heat->race.n; i++) {
		size_t at = i;

		for (; at && before(heat, i, order[at - 1]); at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}
