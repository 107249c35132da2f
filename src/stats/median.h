/* median.h - the middle of some values that fit into memory. */
#ifndef RWKVMON_STATS_MEDIAN_H
#define RWKVMON_STATS_MEDIAN_H

#include <stddef.h>

/* Of n > 0 values without NAN, which are sorted afterwards; the mean of both where two stand in the middle. */
double median_sort(double *v, size_t n);

/* The same, faster: the values are only reordered. */
double median_select(double *v, size_t n);

#endif
