/* cycle.c - finds a period, and compares tokens with it. */
#include "observe/cycle.h"

#include <stdlib.h>
#include <string.h>

enum {
	FAITHFUL = 85, /* of CYCLE_WINDOW */
	PLACE_MODULUS = 65535,
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

/* An empty one. */
static bool allocate(struct cycle *c, uint32_t cap)
{
	uint32_t places = places_for(cap);
	uint16_t *token = malloc(cap * sizeof *token), *place = calloc(places, sizeof *place);

	if (!token || !place) {
		free(token);
		free(place);
		return false;
	}
	c->token = token;
	c->place = place;
	c->cap = cap;
	c->shift = 64 - (uint32_t)__builtin_ctz(places);
	return true;
}

bool cycle_open_whole(struct cycle *c)
{
	return allocate(c, CYCLE_RING);
}

void cycle_close(struct cycle *c)
{
	free(c->token);
	free(c->place);
	*c = (struct cycle){ 0 };
}

void cycle_reset(struct cycle *c)
{
	if (c->cap)
		memset(c->place, 0, places_of(c) * sizeof *c->place);
	c->n = c->generated = c->run = 0;
	c->period = c->at = c->held = 0;
	c->equal[0] = c->equal[1] = 0;
	c->near = (struct cycle_near){ 0 };
}

/* Makes two ids of a large vocabulary that differ by 65,536 distinct. */
uint16_t cycle_fingerprint(uint32_t token)
{
	return (uint16_t)(token ^ (token >> 16) * 40503u);
}

/* The token `back` positions before the last one. */
static uint16_t before(const struct cycle *c, uint32_t back)
{
	uint32_t distance = back + 1;

	return c->token[c->at >= distance ? c->at - distance : c->at + c->cap - distance];
}

/* Of the run of tokens that ends `back` tokens before the last one. */
static uint32_t place_of(const struct cycle *c, uint32_t back)
{
	uint64_t h = 0;

	for (uint32_t i = 0; i < CYCLE_GRAM; i++)
		h = (h ^ before(c, back + i)) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> c->shift);
}

static uint16_t position(uint64_t n)
{
	return (uint16_t)(n % PLACE_MODULUS + 1);
}

/* A copy with a ring for so many, at least what is held, and a table as if it had always been so long. */
static bool copy(struct cycle *to, const struct cycle *from, uint32_t cap)
{
	struct cycle c = *from;

	if (!allocate(&c, cap))
		return false;
	for (uint32_t i = 0; i < c.held; i++)
		c.token[i] = before(from, c.held - 1 - i);
	c.at = c.held == cap ? 0 : c.held;
	for (uint32_t back = c.held; back-- > 0;)
		if (back + CYCLE_GRAM <= c.held)
			c.place[place_of(&c, back)] = position(c.n - back);
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
	free(old.token);
	free(old.place);
}

/* Different runs of tokens may share a place in the table. */
static bool stands_at(const struct cycle *c, uint32_t period)
{
	for (uint32_t i = 0; i < CYCLE_GRAM; i++)
		if (before(c, i) != before(c, i + period))
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
	uint16_t now = before(c, 0), one = before(c, c->period);
	bool twice = 2 * c->period + CYCLE_GRAM < CYCLE_RING && 2 * c->period < c->held && n->run > c->period;
	uint16_t two = twice ? before(c, 2 * c->period) : one;
	bool back = now != one && one != two && now == two;

	n->back += back;
	n->again += now != one && one != two && !back;
	n->score += now == one || back ? 1 : -DIFFERS_COSTS;
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
		note_equal(c, before(c, i - 1) == before(c, i - 1 + period));
	if (c->run < window)
		return;
	for (run = window; run < known && before(c, (uint32_t)run) == before(c, (uint32_t)run + period);)
		run++;
	c->run = run < c->generated ? run : c->generated;
}

/* How far back the run of tokens last occurred, according to the table; 0: not found. */
static uint32_t last_stand(struct cycle *c)
{
	uint32_t place = place_of(c, 0), now = position(c->n), then = c->place[place], back;

	c->place[place] = (uint16_t)now;
	if (!then)
		return 0;
	back = now > then ? now - then : now + PLACE_MODULUS - then;
	return back <= CYCLE_PERIOD_MAX && back + CYCLE_GRAM <= c->held ? back : 0;
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
	while (run < LONGER_RUN && before(c, run) == before(c, run + period))
		run++;
	return run == LONGER_RUN;
}

void cycle_push(struct cycle *c, uint32_t token, bool generated)
{
	uint32_t back;

	if (c->held == c->cap && c->cap < CYCLE_RING)
		grow(c);
	if (!c->cap)
		return;
	c->generated = generated ? c->generated + 1 : 0;
	c->token[c->at] = cycle_fingerprint(token);
	c->at = c->at + 1 == c->cap ? 0 : c->at + 1;
	c->n++;
	c->held += c->held < c->cap;
	if (c->period)
		note_equal(c, before(c, 0) == before(c, c->period));
	if (c->period && generated)
		note_near(c);
	else
		c->near = (struct cycle_near){ 0 };
	if (c->n < CYCLE_GRAM)
		return;
	back = last_stand(c);
	if (!generated || !back)
		return;
	if (c->period && (c->run >= CYCLE_GRAM || equal_of_window(c) > FAITHFUL || holds_nearly(c)) &&
	    !repeats_better_at(c, back))
		return;
	if (stands_at(c, back))
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
	c->n -= n;
	c->generated = c->generated > n ? c->generated - n : 0;
	c->period = 0;
	c->run = 0;
	c->equal[0] = c->equal[1] = 0;
	c->near = (struct cycle_near){ 0 };
}

uint32_t cycle_last(const struct cycle *c, uint32_t *to, uint32_t cap)
{
	uint32_t n = c->held < cap ? c->held : cap;

	for (uint32_t i = 0; i < n; i++)
		to[i] = before(c, n - 1 - i);
	return n;
}
