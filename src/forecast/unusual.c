/* unusual.c - sizes of each value, their ranks in the past, and the rank of the rarest. */
#include "forecast/unusual.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Chosen on the development half of a public benchmark (docs/FORECAST.md), once for all series. */
static const double FIRST_SCALE = 2, NEXT_SCALE = 12, SLOWER = 8; /* values; times; times */
static const double USUAL_LEAST = 50;                             /* values over which a distance is usual */
static const double SPREAD_VALUES = 12, MEMORY = 10000, ALL_MEMORY = 1000;
static const double TAIL = 0.05, STEEPEST = 0.15; /* share that is the tail; its least spread in octaves */
static const double DOUBT = 500, HEAVY = 1;       /* while little is known a tail counts as heavy: octaves of spread */
static const double AGREE = 0.6;                  /* weight of the other signs' mean */
static const double SUPPORTED = 6;                /* digits of rarity beyond those of the number of sizes seen */
static const double DIGITS_OF_2 = 0.30102999566398120, DIGITS_OF_E = 0.43429448190325182;
static const double FAR = 4; /* mean distances that are remembered of a value, at most */
static const double LEARN_SLOT = 0.2, PROFILE_GAIN = 1;
enum { SLOT_DAYS = 3, RANK_LEAST = 50, OCTAVE = 4, LOWEST_OCTAVE = -8 };

/* Numbers, so that no call is needed. */
static double larger(double a, double b)
{
	return a > b ? a : b;
}

const char *const unusual_sign_ids[UNUSUAL_SIGNS] = { "level", "wider", "narrower", "stuck", "time_of_day" };

/* A size beside the typical one. */
static double multiple_in(const struct rarity *r, double size)
{
	return larger(r->typical > 0 ? size / r->typical : size > 0, 1e-12);
}

/* By exponent and mantissa: most sizes need no logarithm. Positive and normal. */
static int bin_of(double multiple)
{
	static const double quarter[OCTAVE] = { 1, 1.189207115002721, 1.4142135623730951, 1.681792830507429 };
	static const uint64_t ONE = UINT64_C(1023) << 52;
	uint64_t bits;
	double mantissa;
	int bin;

	memcpy(&bits, &multiple, sizeof bits);
	bin = OCTAVE * ((int)(bits >> 52) - 1023 - LOWEST_OCTAVE);
	bits = (bits & ~(UINT64_MAX << 52)) | ONE;
	memcpy(&mantissa, &bits, sizeof mantissa);
	for (int i = 1; i < OCTAVE; i++)
		bin += mantissa >= quarter[i];
	return bin < 0 ? 0 : bin >= RARITY_BINS ? RARITY_BINS - 1 : bin;
}

static double octave_of(int bin)
{
	return (double)bin / OCTAVE + LOWEST_OCTAVE;
}

/* The logarithm to base 10, by that which costs least. */
static double digits(double times)
{
	return log2(times) * DIGITS_OF_2;
}

/* Where the tail begins: the first bin such that it and those above hold at most the share TAIL. */
static int tail_of(const struct rarity *r, double *above)
{
	const double most = TAIL * r->total;
	int bin = r->top;

	*above = 0;
	while (bin > 0 && (*above == 0 || *above + r->count[bin - 1] <= most))
		*above += r->count[--bin];
	return bin;
}

/* Beyond the tail's beginning sizes are taken to fall off as a power of themselves, as fast as those that were seen. */
static double rank_in_tail(const struct rarity *r, double past, int tail, double above)
{
	double excess = 0, spread, doubt = DOUBT / r->seen;

	for (int i = tail; i < r->top; i++)
		excess += r->count[i] * (i - tail + 0.5);
	spread = larger((excess / OCTAVE + doubt * HEAVY) / (above + doubt), STEEPEST);
	return digits(r->total / above) + past / spread * DIGITS_OF_E;
}

static double rank_within(const struct rarity *r, int bin, int from, double above)
{
	for (int i = from - 1; i > bin; i--)
		above += r->count[i];
	return digits(r->total / larger(above + 0.5 * r->count[bin], 0.5));
}

/* At most as rare as this much past can support; beyond that, a tenth counts. */
static double supported(const struct rarity *r, double found)
{
	double most;

	if (found < SUPPORTED)
		return larger(0, found);
	most = digits(r->total) + SUPPORTED;
	return found > most ? most + (found - most) / 10 : found;
}

static double rank(const struct rarity *r, double multiple, int bin)
{
	double above, past;
	int tail;

	if (r->total <= RANK_LEAST)
		return 0;
	tail = tail_of(r, &above);
	past = bin >= tail ? log2(multiple) - octave_of(tail) : 0;
	if (past > 0)
		return supported(r, rank_in_tail(r, past, tail, above));
	return bin < tail ? rank_within(r, bin, tail, above) : rank_within(r, bin, r->top, 0);
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

static void add_size(struct rarity *r, double size, int bin, double memory, uint32_t wait)
{
	uint8_t *place = &r->waiting[wait ? r->seen % wait : 0];

	r->typical = r->typical > 0 ? r->typical : size;
	if (r->seen >= wait)
		count(r, wait ? *place : bin, memory);
	*place = (uint8_t)bin;
	r->seen += r->seen < UINT32_MAX;
	r->typical += (size - r->typical) / (r->seen < memory ? r->seen : memory);
}

/* -log10 of the share of the past, and of its tail's continuation, that is at least so large; 0 while little is known.
 * Then takes the size in. */
static double rarity_rank(struct rarity *r, double size, double memory, uint32_t wait)
{
	double multiple = multiple_in(r, size), found;
	int bin = bin_of(multiple);

	found = rank(r, multiple, bin);
	add_size(r, size, bin, memory, wait);
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

static double followed(double mean, double value, double over, uint64_t n)
{
	return mean + (value - mean) / ((double)n < over ? larger(1, (double)n) : over);
}

static void follow(double *mean, double value, double over, uint64_t n)
{
	*mean = followed(*mean, value, over, n);
}

/* For a value that has never varied so far, any distance is large. */
static double multiple(double far, double usual, uint64_t n)
{
	return usual > 0 ? far / usual : far > 0 && n > UNUSUAL_LEAST ? 1e6 : 0;
}

static void look_at_level(struct unusual *u, double value, double kept, struct signs *s)
{
	double over = FIRST_SCALE;

	for (int i = 0; i < UNUSUAL_SCALES; i++, over *= NEXT_SCALE) {
		double far, usual = u->scale[i].usual;

		far = fabs(followed(u->scale[i].fast, value, over, u->n) - u->scale[i].slow);
		follow(&u->scale[i].fast, kept, over, u->n);
		note(s, UNUSUAL_LEVEL, rarity_rank(&u->scale[i].distance, multiple(far, usual, u->n), MEMORY, u->wait),
		     u->scale[i].slow);
		if (u->forgets)
			far = fabs(u->scale[i].fast - u->scale[i].slow);
		follow(&u->scale[i].usual, far, fmax(USUAL_LEAST, 2 * SLOWER * over), u->n);
		follow(&u->scale[i].slow, kept, SLOWER * over, u->n);
	}
}

/* Compared with the first scale's slow mean before this value. */
static void look_at_spread(struct unusual *u, double far, double kept, struct signs *s)
{
	double spread = followed(u->spread, far, SPREAD_VALUES, u->n);

	follow(&u->spread, kept, SPREAD_VALUES, u->n);
	if (u->usual_spread > 0 && spread > u->usual_spread)
		note(s, UNUSUAL_WIDER, rarity_rank(&u->wider, spread / u->usual_spread - 1, MEMORY, u->wait),
		     u->scale[0].slow);
	else if (u->usual_spread > 0)
		note(s, UNUSUAL_NARROWER,
		     rarity_rank(&u->narrower, fmin(u->usual_spread / fmax(spread, 1e-300) - 1, 1e6), MEMORY, u->wait),
		     u->scale[0].slow);
	follow(&u->usual_spread, kept, MEMORY, u->n);
}

/* A run of equal values is compared with the runs that have ended: the longer a value is stuck, the rarer it is. */
static void look_at_run(struct unusual *u, double value, struct signs *s)
{
	double rarity, multiple;

	if (value != u->before && u->run > 0)
		add_size(&u->runs, u->run, bin_of(multiple_in(&u->runs, u->run)), MEMORY, 0);
	u->run = value == u->before ? u->run + 1 : 1;
	u->before = value;
	multiple = multiple_in(&u->runs, u->run);
	rarity = rank(&u->runs, multiple, bin_of(multiple));
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

/* At most FAR usual distances from the first scale's slow mean. */
static double remembered(const struct unusual *u, double value)
{
	double most = FAR * u->usual_spread, far = value - u->scale[0].slow;

	return u->n <= UNUSUAL_LEAST || most <= 0 || fabs(far) <= most ? value
								       : u->scale[0].slow + (far > 0 ? most : -most);
}

struct unusual_answer unusual_add(struct unusual *u, double value, double day)
{
	struct signs s = { 0 };
	double together, rarity, far, kept;

	if (!u->n++) {
		for (int i = 0; i < UNUSUAL_SCALES; i++)
			u->scale[i].fast = u->scale[i].slow = value;
		u->level = value;
	}
	kept = u->forgets ? remembered(u, value) : value;
	look_at_level(u, value, kept, &s);
	far = fabs(value - u->scale[0].slow);
	look_at_spread(u, far, fabs(kept - u->scale[0].slow), &s);
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
