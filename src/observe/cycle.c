#include "observe/cycle.h"

#include <string.h>

enum { RING = 2 * CYCLE_PERIOD_MAX, FAITHFUL = 85 /* of CYCLE_WINDOW */, LOOK_BACK = 128 };

void cycle_reset(struct cycle *c)
{
	memset(c->place, 0, sizeof c->place);
	c->n = c->generated = c->period = c->run = 0;
	c->equal[0] = c->equal[1] = 0;
}

static uint32_t at(const struct cycle *c, uint32_t position)
{
	return c->token[position % RING];
}

static uint32_t place_of_last(const struct cycle *c)
{
	uint64_t h = 0;

	for (uint32_t i = 1; i <= CYCLE_GRAM; i++)
		h = (h ^ at(c, c->n - i)) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(h >> 52); /* CYCLE_PLACES are 2^12 */
}

/* Different runs of tokens may share a place of the table. */
static bool stands_at(const struct cycle *c, uint32_t period)
{
	for (uint32_t i = 1; i <= CYCLE_GRAM; i++)
		if (at(c, c->n - i) != at(c, c->n - i - period))
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
	return c->period && c->generated >= CYCLE_WINDOW ? equal_of_window(c) : 0;
}

static void note_equal(struct cycle *c, bool equal)
{
	c->equal[1] = c->equal[1] << 1 | c->equal[0] >> 63;
	c->equal[0] = c->equal[0] << 1 | equal;
	c->run = equal ? c->run + 1 : 0;
	c->run = c->run < c->generated ? c->run : c->generated;
}

/* Takes a period, and looks how well the tokens before have kept to it. */
static void take_period(struct cycle *c, uint32_t period)
{
	uint32_t known = c->n - period < LOOK_BACK ? c->n - period : LOOK_BACK;

	c->period = period;
	c->equal[0] = c->equal[1] = c->run = 0;
	for (uint32_t i = known; i > 0; i--)
		note_equal(c, at(c, c->n - i) == at(c, c->n - i - period));
}

void cycle_push(struct cycle *c, uint32_t token, bool generated)
{
	uint32_t place, before;

	c->generated = generated ? c->generated + 1 : 0;
	c->token[c->n++ % RING] = token;
	if (c->period)
		note_equal(c, token == at(c, c->n - 1 - c->period));
	if (c->n < CYCLE_GRAM)
		return;
	place = place_of_last(c);
	before = c->place[place];
	c->place[place] = c->n;
	if (c->period && (c->run >= CYCLE_GRAM || equal_of_window(c) > FAITHFUL))
		return;
	if (generated && before >= CYCLE_GRAM && c->n - before <= CYCLE_PERIOD_MAX && stands_at(c, c->n - before))
		take_period(c, c->n - before);
}
