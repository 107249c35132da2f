/* beyond.c - the ranges of a value, of its slow mean and of its distance from earlier weeks. */
#include "forecast/beyond.h"

#include <math.h>

/* Chosen on the development half of a public benchmark (docs/FORECAST.md), once for all series. */
static const double SLOW = 64, LEVEL = 10000, APART = 200; /* values over which a mean is taken */
static const double LEARN_WEEK = 0.25;                     /* weight of the latest week */
enum { SLOT_S = 1800 };

static void widen(struct span *s, const struct span *by)
{
	s->low = fmin(s->low, by->low);
	s->high = fmax(s->high, by->high);
}

/* Halves, so that nothing overflows. A series that never varied is left by its whole range at once. */
static double beyond_of(const struct span *s, double v)
{
	double range = s->high / 2 - s->low / 2;
	double past = v > s->high ? v / 2 - s->high / 2 : v < s->low ? s->low / 2 - v / 2 : 0;

	return past > 0 && range > 0 ? past / range : past > 0;
}

static void take_in(struct seen_span *s, double v, uint32_t wait)
{
	const struct span now = { v, v };

	if (!s->n)
		s->seen = s->latest[0] = s->latest[1] = now;
	s->n++;
	if (!wait) {
		widen(&s->seen, &now);
		return;
	}
	widen(&s->latest[1], &now);
	if (s->n % wait)
		return;
	widen(&s->seen, &s->latest[0]);
	s->latest[0] = s->latest[1];
	s->latest[1] = now;
}

static void look_at(struct beyond *b, enum beyond_series which, double v, struct beyond_answer *a)
{
	struct seen_span *s = &b->of[which];
	uint64_t least = which == BEYOND_SLOW ? BEYOND_SLOW_LEAST : BEYOND_LEAST;
	double share = s->n >= least + 2 * (uint64_t)b->wait ? beyond_of(&s->seen, v) : 0;

	if (share > a->share)
		*a = (struct beyond_answer){ share, v > s->seen.high ? s->seen.high : s->seen.low, which };
	take_in(s, v, b->wait);
}

static void follow(double *mean, double value, double over, uint64_t n)
{
	double share = 1 / fmax(1, fmin((double)n, over));

	*mean += value * share - *mean * share;
}

/* The half hour is over: its mean joins those of earlier weeks. */
static void close_slot(struct week *w)
{
	double share;

	if (w->n) {
		w->weeks[w->slot] = (uint8_t)(w->weeks[w->slot] + (w->weeks[w->slot] < UINT8_MAX));
		share = fmax(LEARN_WEEK, 1.0 / w->weeks[w->slot]);
		w->mean[w->slot] = (float)(w->mean[w->slot] + (w->sum / w->n - w->mean[w->slot]) * share);
	}
	w->sum = 0;
	w->n = 0;
}

static void look_at_week(struct beyond *b, double value, int64_t week_s, struct beyond_answer *a)
{
	struct week *w = &b->week;
	uint32_t slot = (uint32_t)(week_s / SLOT_S % BEYOND_SLOTS);

	if (slot != w->slot)
		close_slot(w);
	w->slot = slot;
	w->sum += value;
	w->n++;
	if (!w->weeks[slot])
		return;
	w->apart += (fabs(value - w->mean[slot]) - w->apart) / APART;
	w->level_apart += (fabs(value - b->level) - w->level_apart) / APART;
	if (w->apart >= w->level_apart)
		return;
	look_at(b, BEYOND_WEEK, value - w->mean[slot], a);
	if (a->which == BEYOND_WEEK)
		a->edge += w->mean[slot];
}

struct beyond_answer beyond_add(struct beyond *b, double value, int64_t week_s)
{
	const struct span *seen = &b->of[BEYOND_VALUE].seen;
	struct beyond_answer a = { .edge = value > seen->high / 2 + seen->low / 2 ? seen->high : seen->low };

	b->n++;
	follow(&b->slow, value, SLOW, b->n);
	follow(&b->level, value, LEVEL, b->n);
	look_at(b, BEYOND_VALUE, value, &a);
	look_at(b, BEYOND_SLOW, b->slow, &a);
	if (week_s >= 0)
		look_at_week(b, value, week_s, &a);
	return a;
}
