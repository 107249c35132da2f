/* budget.c - measures the cost of observing, and doubles or halves the distance between full measurements. */
#include "collect/budget.h"

enum { WINDOW_CALLS = 64, STRIDE_FIRST = 4, STRIDE_MAX = 64, UNNOTICED_NS = 20000, OUTLIER = 4 };

struct budget budget_of(double pct)
{
	return (struct budget){ .share = pct < 0 ? 0 : (pct > 0 ? pct : 1) / 100, .stride = 1 };
}

bool budget_takes_all(const struct budget *b, unsigned turn)
{
	return turn + 2 >= b->stride;
}

unsigned budget_next(const struct budget *b, unsigned turn)
{
	return turn + 1 >= b->stride ? 0 : turn + 1;
}

static void judge(struct budget *b)
{
	double whole = b->share * (double)b->forward_ns, own = (double)b->own_ns, callers = (double)b->caller_ns;
	double allowed = callers < 0.75 * whole ? whole - callers : whole / 4;

	if (own > allowed && b->own_ns > (uint64_t)UNNOTICED_NS * WINDOW_CALLS && b->stride < STRIDE_MAX)
		b->stride = b->stride == 1 ? STRIDE_FIRST : 2 * b->stride;
	else if (4 * own < allowed && b->stride > 1)
		b->stride = b->stride == STRIDE_FIRST ? 1 : b->stride / 2;
	b->own_ns = b->caller_ns = b->forward_ns = 0;
	b->calls = 0;
}

/* The usual cost of a measurement: follows decreases at once, and increases by a sixteenth each time. */
static void learn(struct budget *b, uint64_t own_ns)
{
	if (!b->usual_ns || own_ns < b->usual_ns)
		b->usual_ns = own_ns;
	else
		b->usual_ns += b->usual_ns / 16;
}

void budget_spent(struct budget *b, size_t streams, size_t looked, uint64_t own_ns, uint64_t caller_ns,
		  uint64_t forward_ns)
{
	uint64_t most_ns;

	if (looked)
		learn(b, own_ns / looked);
	most_ns = OUTLIER * b->usual_ns * streams;
	b->own_ns += own_ns < most_ns ? own_ns : most_ns;
	b->caller_ns += caller_ns;
	b->forward_ns += forward_ns;
	if (++b->calls == WINDOW_CALLS && b->share > 0)
		judge(b);
	else if (b->calls == WINDOW_CALLS)
		b->calls = 0;
}
