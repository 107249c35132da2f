/* range.h - minimum, maximum and sums of some whole numbers, computed in one loop.
 *
 * Ownership  plain values.
 * Cost       whole numbers four at a time with AVX2, all of them eight with AVX-512.
 */
#ifndef RWKVMON_STATS_RANGE_H
#define RWKVMON_STATS_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RANGE_MOST = 1024 }; /* numbers at once */

struct range {
	int64_t low, high, sum;
	int64_t squares; /* their sum; only when range_is_small */
};

/* [hot] n = 1..RANGE_MOST numbers. The sum is valid only if each is less than 2^52 in size; otherwise only low and high
 * are. */
struct range range_of(const int64_t *v, size_t n);

/* Products of n numbers below 2^26 in size, n <= RANGE_MOST, sum up to at most 2^62. */
static inline int range_is_small(const struct range *r)
{
	return r->low > -(INT64_C(1) << 26) && r->high < INT64_C(1) << 26;
}

/* The same of doubles; the sum is that of v * scale, each rounded and at most `most` in size. */
struct real_range {
	double low, high;
	int64_t sum;
};

/* [hot] n = 1..RANGE_MOST finite numbers; most <= 2^52. */
struct real_range real_range_of(const double *v, size_t n, double scale, double most);

/* [hot] Is every one of the n numbers clearly not the double nearest to a whole number / scale? False: undecided. */
bool range_is_plainly_other(const double *v, size_t n, double scale);

/* [hot] The sum of x[i] * y[i]; both are small. */
int64_t range_products(const int64_t *x, const int64_t *y, size_t n);

#endif
