/* beyond.c - the ranges of a value, of means that are made of it, and of its distance from earlier weeks. */
#include "forecast/beyond.h"

#include <float.h>
#include <math.h>

/* Chosen on the development half of a public benchmark (docs/FORECAST.md), once for all series. */
static const double SLOW = 64, LEVEL = 10000, APART = 200; /* values over which a mean is taken */
static const double LEARN_WEEK = 0.25;                     /* weight of the latest week */
/* Of the texture: values over which its means are taken, and mean distances that are far. */
static const double SPREAD = 128, EXCESS = 256, FAR = 4;
static const double FAR_MOST = DBL_MAX / 256; /* of a distance, so that nothing overflows */
static const double LEAST_RANGE = 3;          /* of the spread's range: a mean distance by this */
static const double LEAST_EXCESS = 16;        /* of the farthest value: limits of what is far */
enum { SLOT_S = 1800, LEARN = 100 };

/* A mean is new only after as many values as it is taken over: so it counts as seen after more waits, and more values
 * have to be seen before it is judged. The first values of the slow mean are of fewer ones and widen its range; those
 * of the spread would do so for good, since it begins at nothing. */
static const struct {
	uint32_t waits, from; /* from: the first value that is taken in */
	uint64_t least;
	double weight; /* of its share */
} series[BEYOND_SERIES] = {
	[BEYOND_VALUE] = { 1, 0, 100, 1 },     [BEYOND_SLOW] = { 1, 0, 640, 1 },
	[BEYOND_WEEK] = { 1, 0, 100, 1 },      [BEYOND_SPREAD] = { 4, 256, 2560, 0.6 },
	[BEYOND_EXCESS] = { 4, 256, 1280, 1 }, [BEYOND_DRIFT] = { 16, 0, 1280, 0.35 },
};

static void widen(struct span *s, const struct span *by)
{
	s->low = fmin(s->low, by->low);
	s->high = fmax(s->high, by->high);
}

/* Halves, so that nothing overflows. A series that never varied is left by its whole range at once. */
static double beyond_of(const struct span *s, double v, double least)
{
	double range = fmax(s->high / 2 - s->low / 2, least / 2);
	double past = v > s->high ? v / 2 - s->high / 2 : v < s->low ? s->low / 2 - v / 2 : 0;

	return past > 0 && range > 0 ? past / range : past > 0;
}

static void add_value(struct seen_span *s, double v, uint32_t wait)
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

static bool series_is_known(const struct beyond *b, enum beyond_series which)
{
	return b->of[which].n >= series[which].least + 2 * (uint64_t)b->wait * series[which].waits;
}

bool beyond_knows(const struct beyond *b)
{
	for (int which = 0; which < BEYOND_SERIES; which++)
		if (series_is_known(b, (enum beyond_series)which))
			return true;
	return false;
}

/* Judges a value of a series; 0 while too little is known. least: of the range. */
static void judge(const struct beyond *b, enum beyond_series which, double v, double least, struct beyond_answer *a)
{
	const struct seen_span *s = &b->of[which];
	double share = series_is_known(b, which) ? series[which].weight * beyond_of(&s->seen, v, least) : 0;

	if (share > a->share)
		*a = (struct beyond_answer){ share, v > s->seen.high ? s->seen.high : s->seen.low, which };
}

static void look_at(struct beyond *b, enum beyond_series which, double v, double least, struct beyond_answer *a)
{
	judge(b, which, v, least, a);
	if (b->n >= series[which].from)
		add_value(&b->of[which], v, b->wait * series[which].waits);
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
	look_at(b, BEYOND_WEEK, value - w->mean[slot], 0, a);
	if (a->which == BEYOND_WEEK)
		a->edge += w->mean[slot];
}

/* Mean distance; far values count as the limit. */
static void look_at_spread(struct beyond *b, double far, double limit, struct beyond_answer *a)
{
	follow(&b->spread, fmin(far, limit), SPREAD, b->n);
	look_at(b, BEYOND_SPREAD, b->spread, b->usual / LEAST_RANGE, a);
	if (a->which == BEYOND_SPREAD)
		a->edge = fmin(b->slow + a->edge, DBL_MAX);
}

/* What far values add to the spread. A single one counts at most as the farthest that was seen, and more than that has
 * to come. */
static void look_at_excess(struct beyond *b, double excess, struct beyond_answer *a)
{
	double farthest = b->far.seen.high, one = fmax(farthest, LEAST_EXCESS * FAR * b->usual) / EXCESS;

	follow(&b->excess, fmin(excess, farthest), EXCESS, b->n);
	judge(b, BEYOND_EXCESS, fmax(b->excess - one, b->of[BEYOND_EXCESS].seen.low), one, a);
	if (a->which == BEYOND_EXCESS)
		a->edge = fmin(b->slow + FAR * b->usual, DBL_MAX);
	if (b->n >= series[BEYOND_EXCESS].from)
		add_value(&b->of[BEYOND_EXCESS], b->excess, b->wait * series[BEYOND_EXCESS].waits);
	if (b->n > LEARN)
		add_value(&b->far, excess, b->wait);
}

/* As far as the farthest value that was seen. */
static double within(const struct seen_span *s, double value)
{
	return s->n > LEARN ? fmin(fmax(value, s->seen.low), s->seen.high) : value;
}

struct beyond_answer beyond_add(struct beyond *b, double value, int64_t week_s)
{
	const struct span *seen = &b->of[BEYOND_VALUE].seen;
	struct beyond_answer a = { .edge = value > seen->high / 2 + seen->low / 2 ? seen->high : seen->low };
	double far = b->n ? 2 * fmin(fabs(value / 2 - b->slow / 2), FAR_MOST) : 0;

	b->n++;
	follow(&b->slow, b->texture ? within(&b->of[BEYOND_VALUE], value) : value, SLOW, b->n);
	follow(&b->level, value, LEVEL, b->n);
	look_at(b, BEYOND_VALUE, value, 0, &a);
	look_at(b, BEYOND_SLOW, b->slow, 0, &a);
	if (week_s >= 0)
		look_at_week(b, value, week_s, &a);
	if (b->texture) {
		double limit = FAR * b->usual;

		look_at_spread(b, far, limit, &a);
		look_at_excess(b, fmax(0, far - limit), &a);
		follow(&b->usual, far, LEVEL, b->n);
		look_at(b, BEYOND_DRIFT, b->slow, 0, &a);
	}
	return a;
}
