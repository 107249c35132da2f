/* select.h - the k-th smallest of some values, without sorting all of them. */
#ifndef RWKVMON_STATS_SELECT_H
#define RWKVMON_STATS_SELECT_H

#include <stddef.h>

/* Reorders v (n > 0 values, none of them NaN) so that v[k] is what sorting would put there,
 * smaller values before it, larger behind. Expected cost O(n). Returns v[k]. */
float select_kth(float *v, size_t n, size_t k);

#endif
