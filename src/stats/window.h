/* window.h - the last N values of something, and what is typical of them.
 *
 * Ownership  the caller brings the memory for the values.
 * Cost       push O(1); mean O(N); median and deviation O(N log N), no allocation.
 */
#ifndef RWKVMON_STATS_WINDOW_H
#define RWKVMON_STATS_WINDOW_H

#include <stddef.h>

enum { WINDOW_MAX = 1024 }; /* values a median may be taken of */

struct window {
	double *v;  /* (cap), a ring; order within it does not matter to the statistics */
	size_t cap; /* 1..WINDOW_MAX */
	size_t n;   /* values held, at most cap */
	size_t next;
};

void window_push(struct window *w, double value);
double window_mean(const struct window *w);   /* NAN when empty */
double window_median(const struct window *w); /* NAN when empty */
double window_min(const struct window *w);    /* NAN when empty */
double window_max(const struct window *w);    /* NAN when empty */

/* Median of |v - center|: the robust spread around it. NAN when empty. */
double window_mad(const struct window *w, double center);

#endif
