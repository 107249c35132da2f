/* backoff.c - doubling waits with some chance in them, from a xorshift. */
#include "export/backoff.h"

enum { DOUBLINGS_MOST = 6 };
static const uint64_t FIRST_NS = 1000000000, MOST_NS = UINT64_C(60) * 1000000000;

struct backoff backoff_begin(uint64_t seed)
{
	return (struct backoff){ .random = seed | 1 };
}

static double jitter(struct backoff *b)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return 0.75 + 0.5 * (double)(b->random >> 11) / 9007199254740992.0;
}

uint64_t backoff_next(struct backoff *b, uint64_t asked_ns)
{
	const unsigned doublings = b->failures < DOUBLINGS_MOST ? b->failures : DOUBLINGS_MOST;
	uint64_t wait = FIRST_NS << doublings;

	wait = wait > MOST_NS ? MOST_NS : wait;
	wait = (uint64_t)((double)wait * jitter(b));
	b->failures++;
	return wait < asked_ns ? asked_ns : wait;
}
