/* ease.c - hysteresis on the share of repeated tokens and on surprisal, between the given settings and the boldest. */
#include "cli/ease.h"

#include <math.h>

enum { UP_TOKENS = 16, DOWN_TOKENS = 32 };
static const double REPEATS = 0.2, RESTS = 0.1; /* of the last 100 tokens */
static const double DULL = 0.8, LIVES = 0.9;    /* of the surprisal while boldest */

/* Sampling settings are compared as what was handed on unchanged. */
static bool is_same(double a, double b)
{
	return !(a < b) && !(b < a);
}

void ease_begin(struct ease *e, const struct sampler_config *given, const struct sampler_config *boldest,
		uint64_t until)
{
	bool differs = !is_same(given->temperature, boldest->temperature) || !is_same(given->top_p, boldest->top_p) ||
		       !is_same(given->frequency, boldest->frequency);

	*e = (struct ease){ .boldest = *boldest, .step = differs ? EASE_STEPS : 0, .next = until, .on = differs };
}

/* The mean, of the tokens whose last hundred were all drawn so. */
static void learn(struct ease *e, double surprisal)
{
	if (e->step == EASE_STEPS && isfinite(surprisal))
		e->lively += (surprisal - e->lively) / (double)++e->seen;
}

bool ease_follow(struct ease *e, const struct rwkvmon_verdict *v, uint64_t tokens)
{
	unsigned before = e->step;

	if (!e->on)
		return false;
	learn(e, v->mean_surprisal);
	if (tokens < e->next)
		return false;
	if ((v->repeat_share > REPEATS || v->mean_surprisal < DULL * e->lively) && e->step < EASE_STEPS)
		e->step++;
	else if (!(v->repeat_share > RESTS || v->mean_surprisal < LIVES * e->lively) && e->step)
		e->step--;
	if (e->step != before)
		e->next = tokens + (e->step > before ? UP_TOKENS : DOWN_TOKENS);
	return e->step != before;
}

static double between(double given, double boldest, unsigned step)
{
	return (given * (EASE_STEPS - step) + boldest * step) / EASE_STEPS; /* exact at both ends */
}

struct sampler_config ease_sampling(const struct ease *e, const struct sampler_config *given)
{
	struct sampler_config now = *given;

	now.temperature = between(given->temperature, e->boldest.temperature, e->step);
	now.top_p = between(given->top_p, e->boldest.top_p, e->step);
	now.frequency = between(given->frequency, e->boldest.frequency, e->step);
	return now;
}
