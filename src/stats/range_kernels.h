/* range_kernels.h - the loops of range.c, one file per instruction set. */
#ifndef RWKVMON_STATS_RANGE_KERNELS_H
#define RWKVMON_STATS_RANGE_KERNELS_H

#include "stats/range.h"

struct range range_of_scalar(const int64_t *v, size_t n);
struct range range_of_avx2(const int64_t *v, size_t n);
struct range range_of_avx512(const int64_t *v, size_t n);
struct real_range real_range_of_scalar(const double *v, size_t n, double scale, double most);
struct real_range real_range_of_avx512(const double *v, size_t n, double scale, double most);
bool range_is_plainly_other_scalar(const double *v, size_t n, double scale);
bool range_is_plainly_other_avx512(const double *v, size_t n, double scale);
int64_t range_products_scalar(const int64_t *x, const int64_t *y, size_t n);
int64_t range_products_avx2(const int64_t *x, const int64_t *y, size_t n);
int64_t range_products_avx512(const int64_t *x, const int64_t *y, size_t n);

#endif
