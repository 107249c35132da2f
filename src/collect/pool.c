/* pool.c - a dense table of jobs, so that scanning it is cheap, and threads that run the jobs that are due. */
#include "collect/pool.h"

#include "base/array.h"
#include "base/bell.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static const uint64_t STAND_BY_NS = 1000000000, REST_NS = UINT64_C(60) * 1000000000;
enum { WAITING_MOST = 2 }; /* the leading thread and the standby thread */

/* One thread. */
struct hand {
	pthread_t thread;
	struct hand *next;
	uint64_t until_ns; /* it sleeps so long, unless it is woken */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  /* of what follows */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* a tick is over; a thread ends */
static struct place {
	struct pool_job *job;
	uint64_t due_ns;
	bool busy;
} * places; /* (n_jobs) */
static size_t n_jobs, cap_jobs, n_hands;
static struct hand *resting[WAITING_MOST]; /* (waiting) */
static size_t waiting, busy;               /* busy: jobs that are running */
static size_t coming;    /* threads that were started and have not had the lock yet: they stand by as those that wait */
static uint64_t changes; /* of the table */
static atomic_bool some_called; /* one of the jobs */
static struct hand *leader;     /* of those that wait; NULL: none of them */
static uint64_t leader_until_ns;
static struct hand *over; /* ended, or about to: to be joined */
static struct bell bell;

static void *work(void *hand);

/* The lock is held. */
static int start_hand(void)
{
	struct hand *h = calloc(1, sizeof *h);
	sigset_t all, before;
	int rc;

	if (!h)
		return ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&h->thread, NULL, work, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		free(h);
		return rc;
	}
	pthread_setname_np(h->thread, "rwkvmon-log");
	n_hands++;
	coming++;
	return 0;
}

/* On a grid, so that what is due at nearly the same time is done together. */
static uint64_t due_at(uint64_t now_ns, uint64_t wait_ns)
{
	uint64_t at = now_ns + wait_ns, grid_ns = wait_ns > 2 * STAND_BY_NS ? STAND_BY_NS : POOL_SLACK_NS;

	return wait_ns > POOL_SLACK_NS ? at - at % grid_ns : at;
}

/* The lock is held. Whoever may come to hang has one behind it that looks within a second. */
static void be_stood_by(void)
{
	const uint64_t latest_ns = clock_mono_ns(&clock_system) + STAND_BY_NS;

	if (!waiting && !coming && n_hands <= n_jobs)
		start_hand(); /* without memory for it there is none */
	for (size_t i = 0; i < waiting; i++)
		if (resting[i]->until_ns <= latest_ns)
			return;
	if (waiting && !coming)
		bell_ring(&bell); /* nothing was due for long, so that they sleep long */
}

/* The lock is held, and given up meanwhile. */
static void do_job(struct pool_job *j)
{
	uint64_t wait_ns;

	be_stood_by();
	busy++;
	places[j->place].busy = true;
	atomic_store_explicit(&j->called, false, memory_order_relaxed);
	pthread_mutex_unlock(&lock);
	wait_ns = j->tick(j->ctx);
	pthread_mutex_lock(&lock);
	busy--;
	places[j->place].busy = false;
	places[j->place].due_ns = atomic_load_explicit(&j->called, memory_order_acquire)
					  ? 0 /* meanwhile */
					  : due_at(clock_mono_ns(&clock_system), wait_ns);
	pthread_cond_broadcast(&changed);
}

static bool is_called(const struct place *p)
{
	return atomic_load_explicit(&p->job->called, memory_order_acquire);
}

/* Runs the jobs that are due; returns when the next one is. If the table changes while a job runs, it is searched
 * again. */
static uint64_t do_due(bool *did)
{
	bool called = atomic_exchange_explicit(&some_called, false, memory_order_acq_rel);
	uint64_t now = clock_mono_ns(&clock_system), next = now + REST_NS, before = changes;

	*did = false;
	for (size_t i = 0; i < n_jobs; i++) {
		if (places[i].busy)
			continue;
		if (now >= places[i].due_ns || (called && is_called(&places[i]))) {
			do_job(places[i].job);
			*did = true;
		}
		if (changes != before)
			return 0;
		next = places[i].due_ns < next ? places[i].due_ns : next;
	}
	return next;
}

static void rest(struct hand *h, uint64_t now_ns, uint64_t until_ns)
{
	size_t i = 0;

	h->until_ns = until_ns;
	resting[waiting++] = h;
	pthread_mutex_unlock(&lock);
	bell_wait(&bell, until_ns > now_ns ? until_ns - now_ns : 0);
	pthread_mutex_lock(&lock);
	while (resting[i] != h)
		i++;
	resting[i] = resting[--waiting];
	leader = leader == h ? NULL : leader;
}

/* The thread that ran the last job knows best when the next one is due. The other one looks a second later whether it
 * hangs; so does whoever waits while a job runs. */
static void wait_until(struct hand *h, uint64_t next_ns, bool did)
{
	const uint64_t now = clock_mono_ns(&clock_system);

	if (busy && next_ns > now + STAND_BY_NS)
		next_ns = now + STAND_BY_NS;
	if (did || !leader || next_ns < leader_until_ns) {
		leader = h;
		leader_until_ns = next_ns;
		rest(h, now, next_ns);
	} else {
		rest(h, now, leader_until_ns + STAND_BY_NS);
	}
}

static void *work(void *hand)
{
	struct hand *h = hand;

	pthread_mutex_lock(&lock);
	coming--;
	while (n_jobs) {
		bool did;
		uint64_t next_ns = do_due(&did);

		if (!n_jobs || waiting >= WAITING_MOST)
			break;
		wait_until(h, next_ns, did);
	}
	n_hands--;
	h->next = over;
	over = h;
	bell_ring(&bell); /* the others look what is due, or end too */
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* The lock is held, and given up meanwhile. */
static void join_over(void)
{
	struct hand *h;

	while ((h = over)) {
		over = h->next;
		pthread_mutex_unlock(&lock);
		pthread_join(h->thread, NULL);
		free(h);
		pthread_mutex_lock(&lock);
	}
}

static int add_job(struct pool_job *j, uint64_t due_ns)
{
	if (!array_grow(&places, n_jobs, &cap_jobs, 8, sizeof *places))
		return ENOMEM;
	j->place = n_jobs;
	places[n_jobs++] = (struct place){ .job = j, .due_ns = due_ns };
	changes++;
	return 0;
}

/* The last one takes its place. */
static void remove_job(const struct pool_job *j)
{
	places[j->place] = places[--n_jobs];
	places[j->place].job->place = j->place;
	changes++;
	if (n_jobs)
		return;
	free(places);
	places = NULL;
	cap_jobs = 0;
}

int pool_join(struct pool_job *j, uint64_t first_ns)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = add_job(j, due_at(clock_mono_ns(&clock_system), first_ns));
	if (!rc && !n_hands) {
		rc = start_hand();
		if (rc)
			remove_job(j);
	}
	join_over();
	pthread_mutex_unlock(&lock);
	if (!rc)
		bell_ring(&bell); /* it may be due before the job that the thread waits for */
	return rc;
}

void pool_leave(struct pool_job *j)
{
	pthread_mutex_lock(&lock);
	while (places[j->place].busy)
		pthread_cond_wait(&changed, &lock);
	remove_job(j);
	if (!n_jobs)
		bell_ring(&bell);
	while (!n_jobs && n_hands)
		pthread_cond_wait(&changed, &lock);
	join_over();
	pthread_mutex_unlock(&lock);
}

void pool_call(struct pool_job *j)
{
	if (atomic_exchange_explicit(&j->called, true, memory_order_acq_rel))
		return;
	atomic_store_explicit(&some_called, true, memory_order_release);
	bell_ring(&bell);
}

void pool_forget(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&changed, NULL);
	places = NULL; /* the parent's table is not freed: a fork may have interrupted whoever was changing it */
	n_jobs = cap_jobs = n_hands = waiting = busy = coming = 0;
	leader = NULL;
	over = NULL;
	atomic_store_explicit(&bell.rung, 0, memory_order_relaxed);
}
