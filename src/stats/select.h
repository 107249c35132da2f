/* select.h - finds the k-th smallest value without sorting all of them. */
#ifndef RWKVMON_STATS_SELECT_H
#define RWKVMON_STATS_SELECT_H

#include <stddef.h>

/* Reorders v (n > 0 values) so that v[k] is the value that sorting would put there, with smaller values before it and
 * larger ones after it. If there are NaNs, v[k] may be any of the values. Expected cost O(n). Returns v[k]. */
float select_kth(float *v, size_t n, size_t k);
double select_kth_double(double *v, size_t n, size_t k);

#endif
