/* bench.h - clocks and order statistics of the programs that measure. The median is stats/median.h's. */
#ifndef RWKVMON_BENCH_H
#define RWKVMON_BENCH_H

#include "base/array.h"
#include "stats/median.h"

#include <time.h>

/* Seconds by that clock: wall time, the processor time of a thread, of the process. */
static inline double bench_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline double bench_us(clockid_t clock)
{
	return 1e6 * bench_s(clock);
}

/* Of n > 0 values, which are sorted afterwards: the one below which the share q of the others lies. */
static inline double bench_quantile(double *x, size_t n, double q)
{
	sort_doubles(x, n);
	return x[(size_t)(q * (double)(n - 1))];
}

#endif
