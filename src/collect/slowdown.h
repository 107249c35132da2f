/* slowdown.h - what kept this process from running at full speed: a slow clock, heat, its control group's CPU quota,
 * or waiting for a processor that others use.
 *
 * All are differences of the kernel's counters since the look before; the clock is that of the processors on which the
 * process's threads ran, weighted by how long each ran.
 * Cost       a few small files per thread and processor: for a sampling thread.
 * `root` stands before /proc and /sys, "" outside of tests. Unknown is NAN. */
#ifndef RWKVMON_COLLECT_SLOWDOWN_H
#define RWKVMON_COLLECT_SLOWDOWN_H

#include <stdbool.h>
#include <stddef.h>

enum { SLOWDOWN_THREADS = 256 }; /* more are not looked at */

struct slowdown {
	double clock_mhz;   /* the kernel's reading, never a guest's constant; of threads that ran for more than 1 ms */
	double hot;         /* times one of the processors it may use throttled itself */
	double stopped_pct; /* of the time since, by the CPU quota; of several processors the sum, at most 100 */
	double waiting_pct; /* of the time its threads wanted to run */
};

/* The counters with which the next sample is compared; a zeroed struct means that there is no sample yet. */
struct slowdown_before {
	double stopped_s, hot;
	double ran_s, waited_s; /* sums over the threads of all looks, those that have ended too */
	bool heat_is_uncounted; /* as the first look found */
	size_t n_threads;
	struct slowdown_thread {
		long id;
		double ran_s, waited_s;
	} thread[SLOWDOWN_THREADS];
};

/* `seconds` since the last sample; 0: there was none, and only the clock is reported. */
struct slowdown slowdown_look(struct slowdown_before *before, const char *root, double seconds);

/* What the process did, and how long it was stopped, up to now. */
struct slowdown_sums {
	double ran_s, waited_s, stopped_s; /* stopped_s: NAN unknown */
};

/* Looks at the threads only; the next sample's share of waiting begins here. */
struct slowdown_sums slowdown_sums(struct slowdown_before *before, const char *root);

/* Of the `seconds` from one to the other. */
double slowdown_waiting_pct(const struct slowdown_sums *from, const struct slowdown_sums *to);
double slowdown_stopped_pct(const struct slowdown_sums *from, const struct slowdown_sums *to, double seconds);

/* The highest frequency a processor this process may use can reach. */
double slowdown_most_mhz(const char *root);

#endif
