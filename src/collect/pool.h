/* pool.h - the two threads on which all handles of a process write their logs and sample the machine.
 *
 * One thread leads: it sleeps until the next job is due, or one is called, and runs all that are. If a job blocks it (a
 * disk that hangs), the standby thread, which checks a second later, takes the lead, and another standby thread is
 * started. So a job that hangs delays the others once, by at most a second, and a called one not even that.
 *
 * Jobs that are due at nearly the same time are done together: a tick may come up to POOL_SLACK_NS early, one that
 * would come in more than 2 s up to a second.
 *
 * Threads    pool_call from any thread, without a lock; join and leave may wait for a moment, leave for a running tick.
 *            All signals are blocked on the pool's threads: they belong to the program that is watched.
 * Fork       a child has no such threads: pool_forget.
 */
#ifndef RWKVMON_COLLECT_POOL_H
#define RWKVMON_COLLECT_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_SLACK_NS UINT64_C(20000000)

/* Something to be done every now and then, on one thread at a time. */
struct pool_job {
	uint64_t (*tick)(void *ctx); /* returns nanoseconds until the next one */
	void *ctx;

	/* The pool's. */
	size_t place;
	_Atomic bool called;
};

/* The first tick comes after first_ns. Returns 0, or an errno when no thread can be started or memory is out. */
int pool_join(struct pool_job *job, uint64_t first_ns);

/* No tick comes after. */
void pool_leave(struct pool_job *job);

/* [hot, any thread] The next tick comes at once. */
void pool_call(struct pool_job *job);

void pool_forget(void);

#endif
