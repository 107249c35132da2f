/* unusual.c - sizes of each value, their ranks in the past, and the rank of the rarest. */
#include "forecast/unusual.h"

#include <math.h>
#include <stddef.h>

/* Chosen on the development half of a public benchmark (docs/FORECAST.md), once for all series. */
static const double FIRST_SCALE = 2, NEXT_SCALE = 12, SLOWER = 8; /* values; times; times */
static const double USUAL_LEAST = 50;                             /* values over which a distance is usual */
static const double SPREAD_VALUES = 12, MEMORY = 10000, ALL_MEMORY = 1000;
static const double TAIL = 0.05, STEEPEST = 0.15; /* share that is the tail; its least spread in octaves */
static const double DOUBT = 500, HEAVY = 1;       /* while little is known a tail counts as heavy: octaves of spread */
static const double AGREE = 0.6;                  /* weight of the other signs' mean */
static const double LEARN_SLOT = 0.2, PROFILE_GAIN = 1;
enum { SLOT_DAYS = 3, RANK_LEAST = 50, OCTAVE = 4, LOWEST_OCTAVE = -8 };

const char *const unusual_sign_ids[UNUSUAL_SIGNS] = { "level", "wider", "narrower", "stuck", "time_of_day" };

static int bin_of(double octave)
{
	double bin = floor(OCTAVE * (octave - LOWEST_OCTAVE));

	return bin < 0 ? 0 : bin >= RARITY_BINS ? RARITY_BINS - 1 : (int)bin;
}

static double octave_of(int bin)
{
	return (double)bin / OCTAVE + LOWEST_OCTAVE;
}

/* Where the tail begins: the first bin such that it and those above hold at most the share TAIL. */
static int tail_of(const struct rarity *r, double *above)
{
	int bin = r->top;

	*above = 0;
	while (bin > 0 && (*above == 0 || *above + r->count[bin - 1] <= TAIL * r->total))
		*above += r->count[--bin];
	return bin;
}

/* Beyond the tail's beginning sizes are taken to fall off as a power of themselves, as fast as those that were seen. */
static double rank_in_tail(const struct rarity *r, double octave, int tail, double above)
{
	double excess = 0, spread, doubt = DOUBT / r->seen;

	for (int i = tail; i < r->top; i++)
		excess += r->count[i] * (octave_of(i) + 0.5 / OCTAVE - octave_of(tail));
	spread = fmax((excess + doubt * HEAVY) / (above + doubt), STEEPEST);
	return log10(r->total / above) + (octave - octave_of(tail)) / spread * log10(exp(1));
}

static double rank_within(const struct rarity *r, int bin)
{
	double above = 0.5 * r->count[bin];

	for (int i = bin + 1; i < r->top; i++)
		above += r->count[i];
	return log10(r->total / fmax(above, 0.5));
}

static double rank(const struct rarity *r, double octave)
{
	double above, most, found;
	int tail;

	if (r->total <= RANK_LEAST)
		return 0;
	tail = tail_of(r, &above);
	found = octave > octave_of(tail) ? rank_in_tail(r, octave, tail, above) : rank_within(r, bin_of(octave));
	most = log10(r->total) + 6; /* the rarity that this much past can support; beyond it, a tenth counts */
	return fmax(0, found > most ? most + (found - most) / 10 : found);
}

static double octave_in(const struct rarity *r, double size)
{
	return log2(fmax(r->typical > 0 ? size / r->typical : size > 0, 1e-12));
}

static void count(struct rarity *r, int bin, double memory)
{
	for (int i = 0; r->total > memory && i < r->top; i++)
		r->count[i] /= 2;
	r->total = r->total > memory ? r->total / 2 : r->total;
	r->count[bin]++;
	r->top = bin < r->top ? r->top : (uint8_t)(bin + 1);
	r->total++;
}

static void add_size(struct rarity *r, double size, double octave, double memory, uint32_t wait)
{
	uint8_t *place = &r->waiting[wait ? r->seen % wait : 0];
	int bin = bin_of(octave);

	r->typical = r->typical > 0 ? r->typical : size;
	if (r->seen >= wait)
		count(r, wait ? *place : bin, memory);
	*place = (uint8_t)bin;
	r->seen += r->seen < UINT32_MAX;
	r->typical += (size - r->typical) / fmin(r->seen, memory);
}

/* -log10 of the share of the past, and of its tail's continuation, that is at least so large; 0 while little is known.
 * Then takes the size in. */
static double rarity_rank(struct rarity *r, double size, double memory, uint32_t wait)
{
	double octave = octave_in(r, size), found = rank(r, octave);

	add_size(r, size, octave, memory, wait);
	return found;
}

/* --- the signs ------------------------------------------------------------------------ */

struct signs {
	double best, sum;
	size_t n;
	enum unusual_sign which;
	double usual;
};

static void note(struct signs *s, enum unusual_sign which, double rarity, double usual)
{
	s->n++;
	s->sum += rarity;
	if (s->n > 1 && rarity <= s->best)
		return;
	s->best = rarity;
	s->which = which;
	s->usual = usual;
}

static void follow(double *mean, double value, double over, uint64_t n)
{
	*mean += (value - *mean) / fmax(1, fmin((double)n, over));
}

/* For a value that has never varied so far, any distance is large. */
static double multiple(double far, double usual, uint64_t n)
{
	return usual > 0 ? far / usual : far > 0 && n > UNUSUAL_LEAST ? 1e6 : 0;
}

static void look_at_level(struct unusual *u, double value, struct signs *s)
{
	double over = FIRST_SCALE;

	for (int i = 0; i < UNUSUAL_SCALES; i++, over *= NEXT_SCALE) {
		double far, usual = u->scale[i].usual;

		follow(&u->scale[i].fast, value, over, u->n);
		far = fabs(u->scale[i].fast - u->scale[i].slow);
		note(s, UNUSUAL_LEVEL, rarity_rank(&u->scale[i].distance, multiple(far, usual, u->n), MEMORY, u->wait),
		     u->scale[i].slow);
		follow(&u->scale[i].usual, far, fmax(USUAL_LEAST, 2 * SLOWER * over), u->n);
		follow(&u->scale[i].slow, value, SLOWER * over, u->n);
	}
}

/* Compared with the first scale's slow mean before this value. */
static void look_at_spread(struct unusual *u, double far, struct signs *s)
{
	follow(&u->spread, far, SPREAD_VALUES, u->n);
	if (u->usual_spread > 0 && u->spread > u->usual_spread)
		note(s, UNUSUAL_WIDER, rarity_rank(&u->wider, u->spread / u->usual_spread - 1, MEMORY, u->wait),
		     u->scale[0].slow);
	else if (u->usual_spread > 0)
		note(s, UNUSUAL_NARROWER,
		     rarity_rank(&u->narrower, fmin(u->usual_spread / fmax(u->spread, 1e-300) - 1, 1e6), MEMORY,
				 u->wait),
		     u->scale[0].slow);
	follow(&u->usual_spread, far, MEMORY, u->n);
}

/* A run of equal values is compared with the runs that have ended: the longer a value is stuck, the rarer it is. */
static void look_at_run(struct unusual *u, double value, struct signs *s)
{
	double rarity;

	if (value != u->before && u->run > 0)
		add_size(&u->runs, u->run, octave_in(&u->runs, u->run), MEMORY, 0);
	u->run = value == u->before ? u->run + 1 : 1;
	u->before = value;
	rarity = rank(&u->runs, octave_in(&u->runs, u->run));
	if (rarity > s->best) /* otherwise it does not count: most values are not in a run */
		note(s, UNUSUAL_STUCK, rarity, value);
}

/* Counts once the day's profile is nearer to the values than their level is. */
static void look_at_day(struct unusual *u, double value, double day, struct signs *s)
{
	int slot = (int)(day * UNUSUAL_SLOTS) % UNUSUAL_SLOTS;
	double apart = fabs(value - u->profile[slot]), rarity;

	if (u->in_slot[slot] >= SLOT_DAYS) {
		u->apart_usual += (apart - u->apart_usual) / 200;
		u->level_usual += (fabs(value - u->level) - u->level_usual) / 200;
		rarity = rarity_rank(value > u->profile[slot] ? &u->above : &u->below, apart, MEMORY, u->wait);
		if (u->apart_usual < PROFILE_GAIN * u->level_usual)
			note(s, UNUSUAL_TIME_OF_DAY, rarity, u->profile[slot]);
	}
	u->in_slot[slot] += u->in_slot[slot] < UINT32_MAX;
	u->profile[slot] += (value - u->profile[slot]) * fmax(LEARN_SLOT, 1.0 / u->in_slot[slot]);
}

struct unusual_answer unusual_add(struct unusual *u, double value, double day)
{
	struct signs s = { 0 };
	double together, rarity, far;

	if (!u->n++) {
		for (int i = 0; i < UNUSUAL_SCALES; i++)
			u->scale[i].fast = u->scale[i].slow = value;
		u->level = value;
	}
	look_at_level(u, value, &s);
	far = fabs(value - u->scale[0].slow);
	look_at_spread(u, far, &s);
	look_at_run(u, value, &s);
	if (day >= 0)
		look_at_day(u, value, day, &s);
	follow(&u->level, value, MEMORY, u->n);
	together = s.best + (s.n > 1 ? AGREE * (s.sum - s.best) / (double)(s.n - 1) : 0);
	rarity = rarity_rank(&u->all, exp2(fmin(together, 12)), ALL_MEMORY, u->wait);
	return (struct unusual_answer){ u->n >= UNUSUAL_LEAST ? rarity : 0, s.usual, s.which };
}

double refractory_pass(struct refractory *r, double rarity, double rest)
{
	double told;

	r->bar *= exp(-1 / rest);
	told = rarity > r->bar ? rarity : 0;
	r->bar = fmax(r->bar, rarity);
	return told;
}
