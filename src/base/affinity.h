/* affinity.h - threads that compute together keep to processors of their own.
 *
 * Some kernels begin a thread on its maker's processor, or wake it on that of the thread that wakes it, and take
 * milliseconds to part the two; what takes some ten milliseconds in all loses a fifth of it that way. So each of n
 * threads gets every n-th of the processors that the caller may use: no two can meet, and within its share the
 * scheduler chooses. With fewer processors than threads nothing is restricted.
 *
 * Threads    one thread splits, starts the others and rejoins.
 */
#ifndef RWKVMON_BASE_AFFINITY_H
#define RWKVMON_BASE_AFFINITY_H

#include <pthread.h>
#include <sched.h>

struct affinity {
	cpu_set_t allowed; /* to the caller */
	unsigned threads;  /* shares; 0: nothing is restricted */
	unsigned own;      /* the share that is the caller's: it has the processor that it runs on */
};

/* The caller keeps to its share from now on. */
void affinity_split(struct affinity *a, unsigned threads);

/* As pthread_create without attributes; the thread keeps to share i of 1..threads - 1. 0, or an errno value. */
int affinity_start(const struct affinity *a, unsigned i, pthread_t *thread, void *(*work)(void *), void *ctx);

/* The caller runs where it could before. */
void affinity_rejoin(const struct affinity *a);

#endif
