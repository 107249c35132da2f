/* worker.h - a thread that does something every now and then, and when it is called, until it is stopped. */
#ifndef RWKVMON_COLLECT_WORKER_H
#define RWKVMON_COLLECT_WORKER_H

#include "base/bell.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct worker {
	pthread_t thread;
	struct bell bell;
	_Atomic bool stopping;
	uint64_t (*tick)(void *ctx); /* returns nanoseconds until the next one */
	void *ctx;
	uint64_t wait_ns;
};

/* The first tick comes after first_ns. All signals are blocked on the thread: they belong
 * to the program that is watched. Returns 0 or an errno. */
int worker_start(struct worker *w, const char *name, uint64_t (*tick)(void *ctx), void *ctx, uint64_t first_ns);

/* [hot, any thread] The next tick comes at once. */
static inline void worker_call(struct worker *w)
{
	bell_ring(&w->bell);
}

/* Waits for a running tick to end; no tick comes after. */
void worker_stop(struct worker *w);

#endif
