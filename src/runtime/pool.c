/* pool.c - a round of parts at a time: threads wait for it on a condition and take parts until none is left. */
#include "runtime/pool.h"

#include "base/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SPINS = 4000 }; /* some 20 us: longer than the serial stretches between two products */

struct worker {
	struct pool *pool;
	pthread_t thread;
	int part;
};

/* A job is published by counting `turn` up; `pending` counts the parts that are still out.
 * Going to sleep and publishing meet through `sleeping`, which both sides touch in
 * sequentially consistent order: either the worker sees the new turn or the caller sees the sleeper. */
struct pool {
	void (*fn)(void *ctx, int part, int parts);
	void *ctx;
	atomic_uint turn;
	atomic_int pending, sleeping;
	atomic_bool stop;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	int threads, started;
	struct worker workers[];
};

static void wait_for_turn(struct pool *p, unsigned seen)
{
	for (int i = 0; i < SPINS; i++) {
		if (atomic_load(&p->turn) != seen)
			return;
		cpu_relax();
	}
	pthread_mutex_lock(&p->mutex);
	atomic_fetch_add(&p->sleeping, 1);
	while (atomic_load(&p->turn) == seen)
		pthread_cond_wait(&p->wake, &p->mutex);
	atomic_fetch_sub(&p->sleeping, 1);
	pthread_mutex_unlock(&p->mutex);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;
	unsigned seen = 0;

	for (;;) {
		wait_for_turn(p, seen++);
		if (atomic_load(&p->stop))
			return NULL;
		p->fn(p->ctx, w->part, p->threads);
		atomic_fetch_sub(&p->pending, 1);
	}
}

static void publish(struct pool *p)
{
	atomic_fetch_add(&p->turn, 1);
	if (!atomic_load(&p->sleeping))
		return;
	pthread_mutex_lock(&p->mutex);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->mutex);
}

/* Signals are the program's business: no worker takes one. */
static int start(struct pool *p)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (int i = 0; i < p->threads - 1 && !rc; i++) {
		p->workers[i] = (struct worker){ .pool = p, .part = i + 1 };
		rc = pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]);
		p->started += !rc;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int pool_open(struct pool **out, int threads, struct err *err)
{
	struct pool *p;
	int rc;

	*out = NULL;
	if (threads <= 1)
		return 0;
	if (threads > POOL_THREADS_MAX)
		threads = POOL_THREADS_MAX;
	p = calloc(1, sizeof *p + (size_t)(threads - 1) * sizeof *p->workers);
	if (!p)
		return err_set(err, ERR_NOMEM, "no memory for %d threads", threads);
	p->threads = threads;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->wake, NULL);
	rc = start(p);
	if (rc) {
		pool_close(p);
		return err_set_os(err, ERR_SYSTEM, rc, "cannot start %d threads", threads);
	}
	*out = p;
	return 0;
}

void pool_close(struct pool *p)
{
	if (!p)
		return;
	atomic_store(&p->stop, true);
	publish(p);
	for (int i = 0; i < p->started; i++)
		pthread_join(p->workers[i].thread, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}

void pool_run(struct pool *p, void (*fn)(void *ctx, int part, int parts), void *ctx)
{
	if (!p) {
		fn(ctx, 0, 1);
		return;
	}
	p->fn = fn;
	p->ctx = ctx;
	atomic_store(&p->pending, p->threads - 1);
	publish(p);
	fn(ctx, 0, p->threads);
	for (int spins = 0; atomic_load(&p->pending); spins++)
		if (spins < SPINS)
			cpu_relax();
		else
			sched_yield(); /* other threads need this core */
}
