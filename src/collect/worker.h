/* worker.h - a thread that does something every now and then until it is stopped. */
#ifndef RWKVMON_COLLECT_WORKER_H
#define RWKVMON_COLLECT_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	uint64_t (*tick)(void *ctx); /* returns nanoseconds until the next one */
	void *ctx;
	uint64_t wait_ns;
};

/* The first tick comes after first_ns. All signals are blocked on the thread: they belong
 * to the program that is watched. Returns 0 or an errno. */
int worker_start(struct worker *w, const char *name, uint64_t (*tick)(void *ctx), void *ctx, uint64_t first_ns);

/* Waits for a running tick to end; no tick comes after. */
void worker_stop(struct worker *w);

#endif
