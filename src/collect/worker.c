#include "collect/worker.h"

#include <signal.h>

static void *run(void *ctx)
{
	struct worker *w = ctx;

	for (;;) {
		bell_wait(&w->bell, w->wait_ns);
		if (w->stopping)
			return NULL;
		w->wait_ns = w->tick(w->ctx);
	}
}

int worker_start(struct worker *w, const char *name, uint64_t (*tick)(void *ctx), void *ctx, uint64_t first_ns)
{
	sigset_t all, before;
	int rc;

	*w = (struct worker){ .tick = tick, .ctx = ctx, .wait_ns = first_ns };
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rc)
		pthread_setname_np(w->thread, name);
	return rc;
}

void worker_stop(struct worker *w)
{
	w->stopping = true;
	bell_ring(&w->bell);
	pthread_join(w->thread, NULL);
}
