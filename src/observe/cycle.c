#include "observe/cycle.h"

#include <string.h>

enum { RING = 2 * CYCLE_PERIOD_MAX };

void cycle_reset(struct cycle *c)
{
	memset(c->place, 0, sizeof c->place);
	c->n = c->period = c->run = c->generated = 0;
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

/* Do the last tokens stand there too? Different runs may share a place of the table. */
static bool stands_at(const struct cycle *c, uint32_t period)
{
	for (uint32_t i = 1; i <= CYCLE_GRAM; i++)
		if (at(c, c->n - i) != at(c, c->n - i - period))
			return false;
	return true;
}

void cycle_push(struct cycle *c, uint32_t token, bool generated)
{
	uint32_t place, before;

	if (c->period && token != at(c, c->n - c->period))
		c->period = c->run = 0;
	c->token[c->n++ % RING] = token;
	c->generated = generated ? c->generated + 1 : 0;
	c->run = generated ? c->run + (c->period != 0) : 0;
	if (c->n < CYCLE_GRAM)
		return;
	place = place_of_last(c);
	before = c->place[place];
	c->place[place] = c->n;
	if (!generated || c->period || !before || c->n - before > CYCLE_PERIOD_MAX || before < CYCLE_GRAM || !stands_at(c, c->n - before))
		return;
	c->period = c->n - before;
	c->run = c->generated < CYCLE_GRAM ? c->generated : CYCLE_GRAM;
}
