/* slowdown.c - processor clock, heat, quota and waiting time since the last look. */
#include "collect/slowdown.h"

#include "collect/cgroup.h"
#include "collect/small_file.h"

#include <dirent.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROCESSORS_MAX = CPU_SETSIZE };
static const double LEAST_S = 0.001; /* of running, or waiting: less says nothing */

/* --- the clock ------------------------------------------------------------------------- */

/* Frequencies from /proc/cpuinfo, read when the first one is wanted. */
struct clocks {
	const char *root;
	bool have_read;
	float mhz[PROCESSORS_MAX]; /* 0 unknown */
};

/* Only where the processor counts its cycles (aperfmperf): elsewhere the line is a constant. */
static void read_cpuinfo(struct clocks *c)
{
	char path[300], line[4096];
	bool counted = false;
	int processor = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/proc/cpuinfo", c->root);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		const char *value = strchr(line, ':');

		if (value && !strncmp(line, "processor", 9))
			processor = (int)strtol(value + 1, NULL, 10);
		else if (value && !strncmp(line, "cpu MHz", 7) && processor >= 0 && processor < PROCESSORS_MAX)
			c->mhz[processor] = strtof(value + 1, NULL);
		else if (value && !strncmp(line, "flags", 5))
			counted |= strstr(value, " aperfmperf") != NULL;
	}
	if (f)
		fclose(f);
	if (!counted)
		memset(c->mhz, 0, sizeof c->mhz);
	c->have_read = true;
}

static double clock_of(struct clocks *c, int processor)
{
	double khz;

	if (processor < 0 || processor >= PROCESSORS_MAX)
		return NAN;
	khz = small_file_number("%s/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", c->root, processor);
	if (khz > 0)
		return khz / 1e3;
	if (!c->have_read)
		read_cpuinfo(c);
	return c->mhz[processor] > 0 ? (double)c->mhz[processor] : (double)NAN;
}

/* --- threads ---------------------------------------------------------------------------- */

/* schedstat: nanoseconds it ran, nanoseconds it waited for a processor, turns. */
static bool read_times(struct slowdown_thread *t, const char *root)
{
	char text[128], *p;

	if (!small_file_read(text, sizeof text, "%s/proc/self/task/%ld/schedstat", root, t->id))
		return false;
	t->ran_s = strtod(text, &p) / 1e9;
	t->waited_s = strtod(p, NULL) / 1e9;
	return true;
}

/* The processor it ran on last: field 39 of its stat, counted from behind the name. */
static int processor_of(const char *root, long id)
{
	char text[1024], *p;

	if (!small_file_read(text, sizeof text, "%s/proc/self/task/%ld/stat", root, id) || !(p = strrchr(text, ')')))
		return -1;
	for (int field = 2; field < 39 && p; field++)
		p = strchr(p + 1, ' ');
	return p ? (int)strtol(p, NULL, 10) : -1;
}

static struct slowdown_thread seen_before(const struct slowdown_before *b, long id)
{
	for (size_t i = 0; i < b->n_threads; i++)
		if (b->thread[i].id == id)
			return b->thread[i];
	return (struct slowdown_thread){ .id = id };
}

double slowdown_waiting_pct(const struct slowdown_sums *from, const struct slowdown_sums *to)
{
	const double ran = to->ran_s - from->ran_s, waited = to->waited_s - from->waited_s;

	return ran + waited > LEAST_S ? 100 * waited / (ran + waited) : (double)NAN;
}

double slowdown_stopped_pct(const struct slowdown_sums *from, const struct slowdown_sums *to, double seconds)
{
	const double pct = 100 * (to->stopped_s - from->stopped_s) / seconds;

	return isnan(pct) ? (double)NAN : fmax(0, fmin(100, pct));
}

/* All threads: clock and waiting; *before becomes this look. */
static void look_at_threads(struct slowdown *out, struct slowdown_before *before, const char *root)
{
	struct slowdown_before now = { .n_threads = 0 };
	struct clocks clocks = { .root = root };
	double clocked_s = 0, cycles = 0;
	const struct slowdown_sums from = { before->ran_s, before->waited_s, NAN };
	const struct dirent *entry;
	char path[300];
	DIR *d;

	snprintf(path, sizeof path, "%s/proc/self/task", root);
	d = opendir(path);
	while (d && now.n_threads < SLOWDOWN_THREADS && (entry = readdir(d))) {
		struct slowdown_thread *t = &now.thread[now.n_threads], was;
		double mhz;

		t->id = strtol(entry->d_name, NULL, 10);
		if (t->id <= 0 || !read_times(t, root))
			continue;
		now.n_threads++;
		was = seen_before(before, t->id);
		before->ran_s += t->ran_s - was.ran_s;
		before->waited_s += t->waited_s - was.waited_s;
		mhz = t->ran_s - was.ran_s > LEAST_S ? clock_of(&clocks, processor_of(root, t->id)) : (double)NAN;
		if (mhz > 0) {
			clocked_s += t->ran_s - was.ran_s;
			cycles += mhz * (t->ran_s - was.ran_s);
		}
	}
	if (d)
		closedir(d);
	out->clock_mhz = clocked_s > 0 ? cycles / clocked_s : (double)NAN;
	out->waiting_pct = slowdown_waiting_pct(&from, &(struct slowdown_sums){ before->ran_s, before->waited_s, NAN });
	before->n_threads = now.n_threads;
	memcpy(before->thread, now.thread, now.n_threads * sizeof *now.thread);
}

/* --- heat --------------------------------------------------------------------------------- */

/* Times a processor this process may use throttled itself, ever; NAN where the kernel does not count. */
static double hot_ever(const char *root)
{
	cpu_set_t may;
	double sum = 0, package = NAN;
	bool known = false;

	if (sched_getaffinity(0, sizeof may, &may))
		return NAN;
	for (size_t i = 0; i < PROCESSORS_MAX; i++) {
		double core;

		if (!CPU_ISSET(i, &may))
			continue;
		core = small_file_number("%s/sys/devices/system/cpu/cpu%zu/thermal_throttle/core_throttle_count", root,
					 i);
		if (isnan(core))
			continue;
		known = true;
		sum += core;
		if (isnan(package))
			package = small_file_number(
				"%s/sys/devices/system/cpu/cpu%zu/thermal_throttle/package_throttle_count", root, i);
	}
	return known ? sum + (isnan(package) ? 0 : package) : (double)NAN;
}

double slowdown_most_mhz(const char *root)
{
	double most = NAN;
	cpu_set_t may;

	if (sched_getaffinity(0, sizeof may, &may))
		return NAN;
	for (size_t i = 0; i < PROCESSORS_MAX; i++)
		if (CPU_ISSET(i, &may))
			most = fmax(most, small_file_number("%s/sys/devices/system/cpu/cpu%zu/cpufreq/cpuinfo_max_freq",
							    root, i) /
						  1e3);
	return most;
}

struct slowdown_sums slowdown_sums(struct slowdown_before *before, const char *root)
{
	struct slowdown unused;

	look_at_threads(&unused, before, root);
	return (struct slowdown_sums){ before->ran_s, before->waited_s, cgroup_stopped_s(root) };
}

struct slowdown slowdown_look(struct slowdown_before *before, const char *root, double seconds)
{
	struct slowdown out = { NAN, NAN, NAN, NAN };
	double hot = before->heat_is_uncounted ? (double)NAN : hot_ever(root), stopped = cgroup_stopped_s(root);

	look_at_threads(&out, before, root);
	if (seconds > 0) {
		out.hot = fmax(hot, before->hot) - before->hot;
		out.hot = isnan(hot) ? (double)NAN : out.hot;
		out.stopped_pct = slowdown_stopped_pct(&(struct slowdown_sums){ .stopped_s = before->stopped_s },
						       &(struct slowdown_sums){ .stopped_s = stopped }, seconds);
	} else {
		out.waiting_pct = NAN;
	}
	before->hot = hot;
	before->heat_is_uncounted = isnan(hot);
	before->stopped_s = stopped;
	return out;
}
