/* The process's writer threads: few, and none of their jobs waits for another that hangs. */
#include "test.h"

#include "collect/pool.h"

#include <dirent.h>
#include <pthread.h>
#include <rwkvmon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOMENT_US = 2000 };

struct work {
	struct pool_job job;
	_Atomic unsigned ticks;
	atomic_bool hangs, is_hung;
	atomic_bool inside; /* a tick is running */
	uint64_t wait_ns;
};

static atomic_bool overlapped; /* a job ran on two threads at once */

static uint64_t tick(void *ctx)
{
	struct work *w = ctx;

	if (atomic_exchange(&w->inside, true))
		overlapped = true;
	w->ticks++;
	while (w->hangs) {
		w->is_hung = true;
		usleep(MOMENT_US);
	}
	w->is_hung = false;
	w->inside = false;
	return w->wait_ns;
}

static void join(struct work *w, uint64_t wait_ns)
{
	w->job = (struct pool_job){ .tick = tick, .ctx = w };
	w->wait_ns = wait_ns;
	assert_int_equal(pool_join(&w->job, 0), 0);
}

/* Waits; a test that waits for ever is ended by its runner. */
static void until_ticks(struct work *w, unsigned n)
{
	while (w->ticks < n)
		usleep(MOMENT_US);
}

static size_t threads(void)
{
	DIR *d = opendir("/proc/self/task");
	size_t n = 0;

	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* A thread that was joined is listed until the kernel has taken it apart: a minute at most, on a machine as busy as
 * any. */
static void assert_threads(size_t most)
{
	for (int us = 0; us < 60000000 && threads() > most; us += MOMENT_US)
		usleep(MOMENT_US);
	assert_true(threads() <= most);
}

/* Jobs that hang nowhere need no thread each, however late a thread that was started comes to run. */
static void all_that_is_due_is_done(void **state)
{
	enum { MANY = 300, FEW = 12 };
	struct work *w = calloc(MANY, sizeof *w);
	size_t most = 0;

	(void)state;
	for (int i = 0; i < MANY; i++)
		join(&w[i], 1000000 * (uint64_t)(1 + i % 30));
	for (int i = 0; i < MANY; i++) {
		size_t now = threads();

		until_ticks(&w[i], 3);
		most = now > most ? now : most;
	}
	assert_in_range(most, 2, FEW);
	for (int i = 0; i < MANY; i += 2)
		pool_leave(&w[i].job);
	for (int i = 1; i < MANY; i += 2) {
		until_ticks(&w[i], w[i].ticks + 2);
		pool_leave(&w[i].job);
	}
	for (int i = 0; i < MANY; i++)
		assert_false(w[i].inside);
	free(w);
}

static void one_that_is_called_comes_at_once(void **state)
{
	struct work w = { .ticks = 0 };

	(void)state;
	join(&w, UINT64_C(1000000000000)); /* else in a quarter of an hour */
	until_ticks(&w, 1);
	for (unsigned i = 2; i < 20; i++) {
		pool_call(&w.job);
		until_ticks(&w, i);
	}
	pool_leave(&w.job);
}

/* How often the pool's threads went to sleep. */
static unsigned long sleeps(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned long sum = 0;

	for (const struct dirent *e; (e = readdir(d));) {
		char path[300], line[200];
		bool ours = false;
		unsigned long n;
		FILE *f;

		snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
		if (!(f = fopen(path, "r")))
			continue;
		while (fgets(line, sizeof line, f)) {
			ours |= !strcmp(line, "Name:\trwkvmon-log\n");
			if (ours && sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
				sum += n;
		}
		fclose(f);
	}
	closedir(d);
	return sum;
}

/* Where nothing is due the threads sleep, the one that stands by too, and whatever is called then is stood by. */
static void who_has_nothing_to_do_sleeps(void **state)
{
	const uint64_t long_ns = UINT64_C(1000000000000);
	struct work fine = { .ticks = 0 }, hung = { .ticks = 0 };
	unsigned long before;

	(void)state;
	join(&fine, long_ns);
	join(&hung, long_ns);
	until_ticks(&fine, 1);
	until_ticks(&hung, 1);
	sleep(2); /* what was to be looked at is */
	before = sleeps();
	sleep(4);
	assert_in_range(sleeps() - before, 0, 3);
	hung.hangs = true;
	pool_call(&hung.job);
	while (!hung.is_hung)
		usleep(MOMENT_US);
	pool_call(&fine.job);
	until_ticks(&fine, 2);
	assert_true(hung.is_hung);
	hung.hangs = false;
	pool_leave(&hung.job);
	pool_leave(&fine.job);
}

static void two_that_hang_delay_no_other(void **state)
{
	struct work hung[2] = { { .hangs = true }, { .hangs = true } }, fine[2] = { { .ticks = 0 }, { .ticks = 0 } };

	(void)state;
	for (int i = 0; i < 2; i++) {
		join(&fine[i], 1000000);
		join(&hung[i], 1000000);
	}
	while (!hung[0].is_hung || !hung[1].is_hung)
		usleep(MOMENT_US);
	for (int i = 0; i < 2; i++) {
		until_ticks(&fine[i], fine[i].ticks + 30);
		pool_call(&fine[i].job);
		until_ticks(&fine[i], fine[i].ticks + 1);
	}
	assert_int_equal(hung[0].ticks + hung[1].ticks, 2);
	hung[0].hangs = hung[1].hangs = false;
	for (int i = 0; i < 2; i++) {
		until_ticks(&hung[i], 10); /* as if nothing had been */
		pool_leave(&hung[i].job);
	}
	for (int i = 0; i < 2; i++)
		pool_leave(&fine[i].job);
}

static void *let_go(void *ctx)
{
	struct work *w = ctx;

	usleep(10 * MOMENT_US);
	w->hangs = false;
	return NULL;
}

static void leaving_waits_for_the_tick(void **state)
{
	struct work w = { .hangs = true };
	pthread_t other;

	(void)state;
	join(&w, 1000000);
	while (!w.is_hung)
		usleep(MOMENT_US);
	assert_int_equal(pthread_create(&other, NULL, let_go, &w), 0);
	pool_leave(&w.job);
	assert_false(w.inside);
	pthread_join(other, NULL);
}

/* They come and go on many threads at once. */
static void *come_and_go(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < 60; i++) {
		struct work w = { .ticks = 0 };

		join(&w, 1000000);
		if (i % 3)
			until_ticks(&w, 1);
		pool_leave(&w.job);
		assert_false(w.inside);
	}
	return NULL;
}

static void jobs_come_and_go(void **state)
{
	pthread_t thread[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}

/* Of many jobs that are due at once none wakes the thread that stands by but the first. */
static void many_that_are_due_at_once_wake_no_other(void **state)
{
	enum { MANY = 200 };
	struct work *w = calloc(MANY, sizeof *w);
	unsigned long before;

	(void)state;
	for (int i = 0; i < MANY; i++)
		join(&w[i], UINT64_C(3000000000));
	for (int i = 0; i < MANY; i++)
		until_ticks(&w[i], 1);
	before = sleeps();
	for (int i = 0; i < MANY; i++)
		until_ticks(&w[i], 3);
	assert_in_range(sleeps() - before, 0, 40);
	for (int i = 0; i < MANY; i++)
		pool_leave(&w[i].job);
	free(w);
}

static void handles_share_two_threads(void **state)
{
	enum { HANDLES = 64 };
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = "/dev/null", .ring_bytes = 4096 };
	size_t before = threads();
	rwkvmon *mon[HANDLES];
	uint32_t token = 7;

	(void)state;
	for (int i = 0; i < HANDLES; i++)
		assert_int_equal(rwkvmon_open(&mon[i], &cfg, NULL), 0);
	assert_threads(before + 3); /* a third for a moment, where a tick takes long */
	for (int i = 0; i < HANDLES; i++) {
		rwkvmon_begin(mon[i]);
		rwkvmon_end(mon[i], &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step),
							    .tokens = &token,
							    .n_tokens = 1 });
	}
	for (int i = 0; i < HANDLES; i++) {
		struct rwkvmon_totals totals = { .struct_size = sizeof totals };

		assert_int_equal(rwkvmon_close(mon[i], &totals), 0);
		assert_int_equal(totals.records, 1);
		assert_int_equal(totals.dropped, 0);
	}
	assert_threads(before);
	assert_false(overlapped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_due_is_done),
		cmocka_unit_test(one_that_is_called_comes_at_once),
		cmocka_unit_test(who_has_nothing_to_do_sleeps),
		cmocka_unit_test(two_that_hang_delay_no_other),
		cmocka_unit_test(leaving_waits_for_the_tick),
		cmocka_unit_test(jobs_come_and_go),
		cmocka_unit_test(many_that_are_due_at_once_wake_no_other),
		cmocka_unit_test(handles_share_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
