/* affinity.c - every n-th processor is one of n threads'. */
#include "base/affinity.h"

#include <stddef.h>

/* Which of the allowed processors it is. */
static unsigned place_of(const cpu_set_t *allowed, size_t cpu)
{
	unsigned place = 0;

	for (size_t i = 0; i < cpu && i < CPU_SETSIZE; i++)
		place += CPU_ISSET(i, allowed) != 0;
	return place;
}

static cpu_set_t share(const struct affinity *a, unsigned i)
{
	unsigned place = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &a->allowed) && place++ % a->threads == (a->own + i) % a->threads)
			CPU_SET(cpu, &set);
	return set;
}

void affinity_split(struct affinity *a, unsigned threads)
{
	const int cpu = sched_getcpu();
	cpu_set_t own;

	a->threads = a->own = 0;
	if (threads < 2 || cpu < 0 || sched_getaffinity(0, sizeof a->allowed, &a->allowed) ||
	    threads > (unsigned)CPU_COUNT(&a->allowed))
		return;
	a->threads = threads;
	a->own = place_of(&a->allowed, (size_t)cpu) % threads;
	own = share(a, 0);
	sched_setaffinity(0, sizeof own, &own);
}

int affinity_start(const struct affinity *a, unsigned i, pthread_t *thread, void *(*work)(void *), void *ctx)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int rc;

	if (!a->threads || pthread_attr_init(&attr))
		return pthread_create(thread, NULL, work, ctx);
	set = share(a, i);
	rc = pthread_attr_setaffinity_np(&attr, sizeof set, &set);
	rc = rc ? rc : pthread_create(thread, &attr, work, ctx);
	pthread_attr_destroy(&attr);
	return rc ? pthread_create(thread, NULL, work, ctx) : 0; /* a processor may have gone meanwhile */
}

void affinity_rejoin(const struct affinity *a)
{
	if (a->threads)
		sched_setaffinity(0, sizeof a->allowed, &a->allowed);
}
