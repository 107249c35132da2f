/* cycle.c - finds a period, and compares tokens with it. */
#include "observe/cycle.h"

#include <stdlib.h>
#include <string.h>

enum {
	FAITHFUL = 85,     /* of CYCLE_WINDOW */
	DIFFERS_COSTS = 5, /* tokens that do not differ: one in 7 may */
	SCORE_MOST = 16 * DIFFERS_COSTS,
	SHIFT_MOST = 3,  /* tokens that are inserted or removed in one period */
	LONGER_RUN = 48, /* exact tokens at another distance end a period that is followed only nearly */
};

/* A table for a ring: larger than it as long as that is below CYCLE_PLACES. */
static uint32_t places_for(uint32_t cap)
{
	uint32_t places = CYCLE_PLACES;

	while (places > cap && places / 2 > cap)
		places /= 2;
	return places;
}

static uint32_t places_of(const struct cycle *c)
{
	return UINT32_C(1) << (64 - c->shift);
}

/* Of the ring of high bytes. */
static uint32_t exact_cap(const struct cycle *c)
{
	return c->cap < CYCLE_EXACT ? c->cap : CYCLE_EXACT;
}

/* An empty one. */
static bool allocate(struct cycle *c, uint32_t cap)
{
	uint32_t places = places_for(cap);

	c->cap = cap;
	c->shift = 64 - (uint32_t)__builtin_ctz(places);
	c->mark = calloc(1, cap + exact_cap(c) + places);
	if (!c->mark)
		return false;
	c->high = c->mark + cap;
	c->place = c->high + exact_cap(c);
	return true;
}

bool cycle_open_whole(struct cycle *c)
{
	struct cycle whole = *c;

	if (!allocate(&whole, CYCLE_RING))
		return false;
	*c = whole;
	return true;
}

void cycle_close(struct cycle *c)
{
	free(c->mark);
	*c = (struct cycle){ 0 };
}

void cycle_reset(struct cycle *c)
{
	if (c->cap)
		memset(c->place, 0, places_of(c) * sizeof *c->place);
	c->n = c->generated = c->run = c->gram = 0;
	c->period = c->at = c->held = c->exact = 0;
	c->equal[0] = c->equal[1] = 0;
	c->near = (struct cycle_near){ 0 };
}

/* Makes two ids of a large vocabulary that differ by 65,536 distinct. */
uint16_t cycle_fingerprint(uint32_t token)
{
	return (uint16_t)(token ^ (token >> 16) * 40503u);
}

/* What makes a mark of a low byte, and the other way round: ids that differ in one of their bytes differ in it. */
static uint8_t turned(uint32_t high)
{
	return (uint8_t)(high * 157);
}

/* Where the token `back` positions before the last one is in the ring. */
static uint32_t slot(const struct cycle *c, uint32_t back)
{
	uint32_t distance = back + 1;

	return c->at >= distance ? c->at - distance : c->at + c->cap - distance;
}

/* Are the tokens so many positions before the last one equal? */
static bool same(const struct cycle *c, uint32_t back, uint32_t further)
{
	uint32_t a = slot(c, back), b = slot(c, further);

	return c->mark[a] == c->mark[b] &&
	       (further >= c->exact || c->high[a % CYCLE_EXACT] == c->high[b % CYCLE_EXACT]);
}

static uint32_t place_of(const struct cycle *c)
{
	return (uint32_t)(c->gram * UINT64_C(0xff51afd7ed558ccd) >> c->shift);
}

static void put(struct cycle *c, uint8_t mark, uint8_t high)
{
	c->mark[c->at] = mark;
	c->high[c->at % CYCLE_EXACT] = high;
	c->gram = c->gram << 8 | mark;
	c->at = c->at + 1 == c->cap ? 0 : c->at + 1;
	c->held += c->held < c->cap;
	c->exact += c->exact < exact_cap(c);
}

/* The last token ends a run that stands there. */
static void put_place(struct cycle *c)
{
	if (c->held >= CYCLE_GRAM)
		c->place[place_of(c)] = (uint8_t)(slot(c, 0) / CYCLE_BLOCK);
}

/* A copy with a ring for so many, at least what is held, and a table as if it had always been so long. */
static bool copy(struct cycle *to, const struct cycle *from, uint32_t cap)
{
	struct cycle c = *from;

	if (!allocate(&c, cap))
		return false;
	c.at = c.held = c.exact = 0;
	c.gram = 0;
	for (uint32_t back = from->held; back-- > 0;) {
		uint32_t at = slot(from, back);

		put(&c, from->mark[at], from->high[at % CYCLE_EXACT]);
		put_place(&c);
	}
	c.exact = from->exact;
	*to = c;
	return true;
}

bool cycle_copy(struct cycle *to, const struct cycle *from)
{
	uint32_t cap = CYCLE_SMALL;

	*to = (struct cycle){ 0 };
	while (cap < from->held)
		cap *= 2;
	return copy(to, from, cap);
}

static void grow(struct cycle *c)
{
	struct cycle old = *c;

	if (!copy(c, &old, old.cap ? 2 * old.cap : CYCLE_SMALL))
		return;
	free(old.mark);
}

static bool stands_at(const struct cycle *c, uint32_t period)
{
	for (uint32_t i = 0; i < CYCLE_GRAM; i++)
		if (!same(c, i, i + period))
			return false;
	return true;
}

static uint32_t equal_of_window(const struct cycle *c)
{
	return (uint32_t)__builtin_popcountll(c->equal[0]) +
	       (uint32_t)__builtin_popcountll(c->equal[1] & ((UINT64_C(1) << (CYCLE_WINDOW - 64)) - 1));
}

uint32_t cycle_share(const struct cycle *c)
{
	return c->period && c->generated >= CYCLE_WINDOW + c->period ? equal_of_window(c) : 0;
}

static void note_equal(struct cycle *c, bool equal)
{
	c->equal[1] = c->equal[1] << 1 | c->equal[0] >> 63;
	c->equal[0] = c->equal[0] << 1 | equal;
	c->run = equal ? c->run + 1 : 0;
	c->run = c->run < c->generated ? c->run : c->generated;
}

/* Compares the last token with those one and two periods before it. */
static void note_near(struct cycle *c)
{
	struct cycle_near *n = &c->near;
	bool twice = 2 * c->period + CYCLE_GRAM < CYCLE_RING && 2 * c->period < c->held && n->run > c->period;
	bool as_one = c->equal[0] & 1;
	bool differed = !as_one && twice && !same(c, c->period, 2 * c->period);
	bool back = differed && same(c, 0, 2 * c->period);

	n->back += back;
	n->again += differed && !back;
	n->score += as_one || back ? 1 : -DIFFERS_COSTS;
	n->score = n->score < SCORE_MOST ? n->score : SCORE_MOST;
	n->run++;
	if (n->score < 0)
		*n = (struct cycle_near){ 0 };
}

/* Adopts a period, and counts how many of the previous tokens follow it. */
static void keep_period(struct cycle *c, uint32_t period)
{
	uint64_t known = c->held - period;
	uint32_t window = known < 128 ? (uint32_t)known : 128;
	uint64_t run = 0;

	if (period > c->period + SHIFT_MOST || c->period > period + SHIFT_MOST)
		c->near = (struct cycle_near){ .run = CYCLE_GRAM, .score = 2 * DIFFERS_COSTS };
	c->period = period;
	c->equal[0] = c->equal[1] = c->run = 0;
	for (uint32_t i = window; i > 0; i--)
		note_equal(c, same(c, i - 1, i - 1 + period));
	if (c->run < window)
		return;
	for (run = window; run < known && same(c, (uint32_t)run, (uint32_t)run + period);)
		run++;
	c->run = run < c->generated ? run : c->generated;
}

/* Is one of the eight marks from there on this one? */
static bool one_of_eight(const uint8_t *mark, uint8_t is)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t apart;

	memcpy(&apart, mark, sizeof apart);
	apart ^= ones * is;
	return (apart - ones) & ~apart & ones << 7; /* a byte of it is 0 */
}

/* How far back in that block the run of tokens last occurred; 0: it did not. */
static uint32_t find_in(const struct cycle *c, uint32_t block)
{
	uint32_t last = slot(c, 0), begin = block * CYCLE_BLOCK;

	for (uint32_t at = begin + CYCLE_BLOCK; at > begin; at--) {
		uint32_t back = last > at - 1 ? last - (at - 1) : last + c->cap - (at - 1);

		if (at % 8 == 0 && !one_of_eight(c->mark + at - 8, (uint8_t)c->gram))
			at -= 7;
		else if (c->mark[at - 1] == (uint8_t)c->gram && back <= CYCLE_PERIOD_MAX &&
			 back + CYCLE_GRAM <= c->held && stands_at(c, back))
			return back;
	}
	return 0;
}

/* How far back the run of tokens last occurred, according to the table; 0: not found. */
static uint32_t last_stand(struct cycle *c)
{
	uint32_t back = find_in(c, c->place[place_of(c)]);

	put_place(c);
	return back;
}

/* While few tokens differ, the period stays, unless the last ones all differ: then a token was inserted or removed. */
static bool holds_nearly(const struct cycle *c)
{
	return c->near.run > 2 * CYCLE_GRAM && __builtin_popcountll(c->equal[0] & 0xff) > 2;
}

/* Rows that differ in one cell follow the period of a row nearly, while a loop of several of them repeats exactly.
 * After a variation that came back, two periods do so, too: then the period is right. */
static bool repeats_better_at(const struct cycle *c, uint32_t period)
{
	uint32_t run = 0;

	if (c->near.run && c->near.again <= c->near.back)
		return false;
	if (period == c->period || c->run >= LONGER_RUN || c->held < period + LONGER_RUN || c->generated < LONGER_RUN)
		return false;
	while (run < LONGER_RUN && same(c, run, run + period))
		run++;
	return run == LONGER_RUN;
}

void cycle_push(struct cycle *c, uint32_t token, bool generated)
{
	uint16_t stored = cycle_fingerprint(token);
	uint32_t back;

	if (c->held == c->cap && c->cap < CYCLE_RING)
		grow(c);
	if (!c->cap)
		return;
	c->generated = generated ? c->generated + 1 : 0;
	put(c, (uint8_t)(stored ^ turned(stored >> 8)), (uint8_t)(stored >> 8));
	c->n++;
	if (c->period)
		note_equal(c, same(c, 0, c->period));
	if (c->period && generated)
		note_near(c);
	else
		c->near = (struct cycle_near){ 0 };
	if (!generated) {
		put_place(c);
		return;
	}
	back = c->held < CYCLE_GRAM ? 0 : last_stand(c);
	if (!back)
		return;
	if (c->period && (c->run >= CYCLE_GRAM || equal_of_window(c) > FAITHFUL || holds_nearly(c)) &&
	    !repeats_better_at(c, back))
		return;
	keep_period(c, back);
}

void cycle_back(struct cycle *c, uint64_t n)
{
	uint32_t kept = n < c->held ? c->held - (uint32_t)n : 0;

	if (n > c->n)
		n = c->n;
	if (c->cap)
		c->at = (uint32_t)((c->at + c->cap - n % c->cap) % c->cap);
	c->held = kept;
	c->exact = n < c->exact ? c->exact - (uint32_t)n : 0;
	for (uint32_t back = CYCLE_GRAM; c->cap && back-- > 0;)
		c->gram = c->gram << 8 | c->mark[slot(c, back)];
	c->n -= n;
	c->generated = c->generated > n ? c->generated - n : 0;
	c->period = 0;
	c->run = 0;
	c->equal[0] = c->equal[1] = 0;
	c->near = (struct cycle_near){ 0 };
}

uint32_t cycle_last(const struct cycle *c, uint32_t *to, uint32_t cap)
{
	uint32_t n = c->exact < cap ? c->exact : cap;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = slot(c, n - 1 - i);

		to[i] = (uint32_t)c->high[at % CYCLE_EXACT] << 8 | (c->mark[at] ^ turned(c->high[at % CYCLE_EXACT]));
	}
	return n;
}
