/* plan.c - goes through a set's rules once and notes what each condition needs. */
#include "rules/plan.h"

#include <math.h>

static const struct rules_override *override_of(const struct ruleset *set, enum rules_mode mode)
{
	return mode == RULES_LIVE ? &set->live : &set->replay;
}

static uint64_t warmup_of(const struct ruleset *set, enum rules_mode mode, const struct rule *rule)
{
	const struct rules_override *o = override_of(set, mode);

	if (rule->warmup != UINT64_MAX)
		return rule->warmup;
	if (o->has_warmup)
		return o->warmup;
	return mode == RULES_LIVE ? 20 : 0;
}

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

/* A window that counts is its rule's own: it is fed as its values come. */
static bool counts(const struct plan_window *w)
{
	return !isnan(w->above) || !isnan(w->below);
}

static bool same_values(const struct plan_window *a, const struct plan_window *b)
{
	return a->metric == b->metric && a->phase == b->phase && same(a->missing, b->missing) &&
	       a->after_tokens == b->after_tokens && a->ordered == b->ordered && a->learned == b->learned &&
	       !counts(a) && !counts(b);
}

static uint16_t window_for(struct plan *p, const struct plan_window *want)
{
	for (size_t i = 0; i < p->n_windows; i++)
		if (same_values(&p->window[i], want)) {
			p->window[i].span = want->span > p->window[i].span ? want->span : p->window[i].span;
			return (uint16_t)i;
		}
	p->window[p->n_windows] = *want;
	return (uint16_t)p->n_windows++;
}

/* The minimum number of n values above, or below, the limit for their aggregate to be. */
static size_t far_wanted(enum aggregate by, size_t n, bool above)
{
	size_t rank = (size_t)fmax(ceil(0.9 * (double)n), 1);

	switch (by) {
	case BY_MEDIAN:
		return n - n / 2;
	case BY_MIN:
		return above ? n : 1;
	case BY_MAX:
		return above ? 1 : n;
	case BY_P90:
		return above ? n - rank + 1 : rank;
	case BY_SPREAD:
		return 0;
	default:
		return 1;
	}
}

/* Of a learned limit, beyond which no aggregate is nearer to what is normal; with a margin for rounding. */
static double least_multiple(const struct limit *limit, double side)
{
	double least = limit->kind == LIMIT_LEARNED ? limit->value + limit->plus : (double)NAN;

	return least - side * 1e-9 * fabs(least);
}

static void find_windows(struct plan *p, struct plan_condition *c, const struct plan_rule *r)
{
	const struct rule *rule = r->is;
	const struct condition *is = c->is;
	struct plan_window want = { .metric = is->metric,
				    .phase = rule->phase,
				    .missing = is->missing,
				    .ordered = r->learns,
				    .learned = c->kind == CONDITION_LEARNED,
				    .above = NAN,
				    .below = NAN,
				    .span = c->over };

	if (r->plainly) {
		want.above = least_multiple(&is->above, 1);
		want.below = least_multiple(&is->below, -1);
	}
	c->window = c->over > 1 ? window_for(p, &want) : PLAN_NO_WINDOW;
	want.missing = NAN;
	want.after_tokens = rule->after_tokens;
	want.span = is->sudden.of;
	c->recent = is->sudden.of ? window_for(p, &want) : PLAN_NO_WINDOW;
}

static enum condition_kind kind_of(const struct condition *c)
{
	return c->absent                 ? CONDITION_ABSENT
	       : c->unusual.once_in > 0  ? CONDITION_UNUSUAL
	       : c->unusual.beyond > 0   ? CONDITION_BEYOND
	       : c->forecast.within_us   ? CONDITION_AHEAD
	       : condition_is_learned(c) ? CONDITION_LEARNED
					 : CONDITION_VALUE;
}

static bool side_is_fixed(const struct limit *limit)
{
	return limit->kind == LIMIT_NONE || limit->kind == LIMIT_ABSOLUTE;
}

/* Is it the same in all sessions of the set, as far as it does not depend on the record or on what is learned? */
static bool side_is_known(const struct limit *limit)
{
	return side_is_fixed(limit) || limit->kind == LIMIT_METRIC || limit->kind == LIMIT_LEARNED;
}

static double known_side(const struct limit *limit)
{
	return limit->kind == LIMIT_ABSOLUTE ? limit->value : (double)NAN;
}

/* Does a record without the metric rule out the condition, and add nothing to its windows? */
static bool needs_metric(const struct plan_condition *c)
{
	const struct condition *is = c->is;

	if (isnan(is->missing))
		return c->kind != CONDITION_ABSENT;
	return c->kind == CONDITION_VALUE && c->over == 1 && !is->sudden.of && side_is_fixed(&is->above) &&
	       side_is_fixed(&is->below) && !(is->above.kind && is->missing > is->above.value) &&
	       !(is->below.kind && is->missing < is->below.value);
}

/* The settings that differ between live rules and replay are the set's own. */
static size_t over_of(const struct plan_rule *rule, const struct condition *c, const struct rules_override *o)
{
	return rule->own && o->has_over ? o->over : c->over;
}

static void add_condition(struct plan *p, struct plan_condition *c, const struct condition *is,
			  const struct plan_rule *rule, const struct rules_override *o)
{
	*c = (struct plan_condition){ .is = is, .kind = kind_of(is), .over = over_of(rule, is, o) };
	c->fixed = (struct limits_now){ known_side(&is->above), known_side(&is->below) };
	c->limits = side_is_known(&is->above) && side_is_known(&is->below) ? PLAN_NO_LIMITS : (uint16_t)p->n_limits++;
	if (c->kind == CONDITION_AHEAD)
		c->state = (uint16_t)p->n_ahead++;
	if (c->kind == CONDITION_UNUSUAL)
		c->state = (uint16_t)p->n_unusual++;
	if (c->kind == CONDITION_BEYOND)
		c->state = (uint16_t)p->n_beyond++;
	c->far_above = far_wanted(is->by, c->over, true);
	c->far_below = far_wanted(is->by, c->over, false);
	c->far_least = is->above.kind ? c->far_above : c->far_below;
	if (is->below.kind && c->far_below < c->far_least)
		c->far_least = c->far_below;
	find_windows(p, c, rule);
	p->n_conditions++;
}

/* What a look of each kind takes on the writer's thread, among so many streams that nothing is in a cache (`make
 * bench-forecast`); those that take time are paced. */
static const uint32_t look_ns[] = {
	[CONDITION_AHEAD] = 150, [CONDITION_UNUSUAL] = 600, [CONDITION_BEYOND] = 200, [CONDITION_ABSENT] = 0
};

static void add_rule(struct plan *p, struct plan_rule *r, struct plan_condition *condition, const struct rule *is,
		     enum rules_mode mode)
{
	const struct rules_override *o = override_of(p->set, mode);

	*r = (struct plan_rule){
		.is = is, .first = p->n_conditions, .warmup = warmup_of(p->set, mode, is), .own = p->n_rules < p->set->n
	};
	for (size_t i = 0; i < is->n_when; i++)
		r->learns |= condition_is_learned(&is->when[i]);
	r->plainly = r->learns && is->n_when == 1 && over_of(r, &is->when[0], o) > 1 && isnan(is->when[0].missing);
	for (size_t i = 0; i < is->n_when; i++) {
		struct plan_condition *c = &condition[p->n_conditions];

		add_condition(p, c, &is->when[i], r, o);
		r->needs |= needs_metric(c) ? metric_bit(is->when[i].metric) : 0;
		r->paced |= look_ns[c->kind] > 0;
		p->look_ns += look_ns[c->kind];
	}
	r->needs = r->learns && !r->paced && is->n_when > 1 ? 0 : r->needs;
	if (is->alarm == ALARM_MODE_COLLAPSE)
		r->collapse = (uint16_t)p->n_collapses++;
	p->n_rules++;
}

static struct plan_plain plain_of(const struct plan *p, size_t rule, uint64_t learned)
{
	const struct plan_condition *c = &p->condition[p->rule[rule].first];
	const struct plan_window *w = &p->window[c->window];

	return (struct plan_plain){ .metric = w->metric,
				    .phase = w->phase,
				    .rule = (uint16_t)rule,
				    .window = c->window,
				    .number = (size_t)__builtin_popcountll(learned & (metric_bit(w->metric) - 1)),
				    .above = w->above,
				    .below = w->below,
				    .far_least = c->far_least,
				    .at_least = c->over };
}

static void widen_far(struct limits_now *far, const struct plan_plain *p)
{
	far->above = fmin(far->above, p->above); /* one that is NAN gives way */
	far->below = fmax(far->below, p->below);
}

static void find_far(struct plan *p)
{
	p->skips = !p->n_learning;
	for (size_t m = 0; m < METRIC_COUNT; m++)
		p->far[m] = (struct limits_now){ NAN, NAN };
	for (size_t i = 0; i < p->n_plain; i++) {
		widen_far(&p->far[p->plain[i].metric], &p->plain[i]);
		p->skips &= p->plain[i].far_least > 0;
	}
}

static size_t conditions_of(const struct ruleset *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += set->rule[i].n_when;
	return n;
}

const struct plan *plan_make(struct ruleset *set, enum rules_mode mode)
{
	const struct ruleset *both[] = { set, set->overlay };
	const uint64_t learned = ruleset_learned_metrics(set);
	size_t rules = set->n + (set->overlay ? set->overlay->n : 0);
	size_t conditions = conditions_of(set) + (set->overlay ? conditions_of(set->overlay) : 0);
	struct plan *p = arena_alloc(&set->arena, 1, sizeof *p);
	struct plan_rule *rule = arena_alloc(&set->arena, rules, sizeof *rule);
	struct plan_condition *condition = arena_alloc(&set->arena, conditions, sizeof *condition);
	struct plan_window *window = arena_alloc(&set->arena, 2 * conditions, sizeof *window);
	uint16_t *ordered = arena_alloc(&set->arena, 2 * conditions, sizeof *ordered);
	struct plan_plain *plain = arena_alloc(&set->arena, rules, sizeof *plain);

	if (!p || !rule || !condition || !window || !ordered || !plain)
		return NULL;
	*p = (struct plan){
		.set = set, .rule = rule, .condition = condition, .window = window, .plain = plain, .ordered = ordered
	};
	for (size_t s = 0; s < 2 && both[s]; s++)
		for (size_t i = 0; i < both[s]->n; i++)
			add_rule(p, &rule[p->n_rules], condition, &both[s]->rule[i], mode);
	for (size_t i = 0; i < p->n_windows; i++) {
		p->window[i].at = p->doubles;
		p->doubles += p->window[i].span;
		if (window[i].ordered && !counts(&window[i]))
			ordered[p->n_ordered++] = (uint16_t)i;
	}
	for (size_t i = 0; i < p->n_rules; i++)
		if (rule[i].plainly)
			plain[p->n_plain++] = plain_of(p, i, learned);
		else
			p->n_learning += rule[i].learns;
	find_far(p);
	return p;
}
