/* adapt.c - hysteresis on the share of repeated tokens, beside the healthy level of entropy and surprisal; settings
 * between what was given and bounds. */
#include "cli/adapt.h"

#include <math.h>

enum { STEP_TOKENS = 16, BACK_TOKENS = 32 };
static const double REPEATS = 0.5, RESTS = 0.25; /* of the last 100 tokens */
static const double SURER = 0.9;                 /* of the healthy level, entropy's and surprisal's share on average */
static const double LEARNS = 0.02;               /* weight of each token in it */
static const double TEMPERATURE = 1.2, TOP_P = 0.95, FREQUENCY = 0.8, PRESENCE = 0.4, DECAY = 0.999;

/* Of the healthy level; `otherwise` where that or the value is unknown. */
static double share_of(double now, double healthy, double otherwise)
{
	return healthy > 0 && isfinite(now) ? now / healthy : otherwise;
}

static bool is_surer(const struct adapt *a, const struct rwkvmon_verdict *v)
{
	double entropy = share_of(v->mean_entropy, a->healthy_entropy, NAN);
	double surprisal = share_of(v->mean_surprisal, a->healthy_surprisal, entropy);

	return !((share_of(v->mean_entropy, a->healthy_entropy, surprisal) + surprisal) / 2 >= SURER);
}

static void learn(double *healthy, double now)
{
	if (isfinite(now))
		*healthy += (*healthy > 0 ? LEARNS : 1) * (now - *healthy);
}

bool adapt_follow(struct adapt *a, const struct rwkvmon_verdict *v, uint64_t tokens)
{
	unsigned before = a->step;

	if (!(v->repeat_share > 0) && !a->step) {
		learn(&a->healthy_entropy, v->mean_entropy);
		learn(&a->healthy_surprisal, v->mean_surprisal);
	}
	if (tokens < a->next)
		return false;
	if (v->repeat_share > REPEATS && is_surer(a, v) && a->step < ADAPT_STEPS)
		a->step++;
	else if (!(v->repeat_share >= RESTS) && a->step)
		a->step--;
	if (a->step != before)
		a->next = tokens + (a->step > before ? STEP_TOKENS : BACK_TOKENS);
	return a->step != before;
}

/* Never below what was given. */
static double between(double given, double bound, unsigned step)
{
	return bound > given ? given + (bound - given) * step / ADAPT_STEPS : given;
}

struct sampler_config adapt_sampling(const struct adapt *a, const struct sampler_config *given)
{
	struct sampler_config now = *given;

	now.temperature = between(given->temperature, TEMPERATURE, a->step);
	now.top_p = between(given->top_p, TOP_P, a->step);
	if (!a->bytes) {
		now.frequency = between(given->frequency, FREQUENCY, a->step);
		now.presence = between(given->presence, PRESENCE, a->step);
		now.penalty_decay = between(given->penalty_decay, DECAY, a->step);
	}
	return now;
}
