/* moments.h - count, minimum, maximum, mean, standard deviation and correlation of decimals, exact until the last
 * rounding.
 *
 * Values that are decimal fractions of 1/scale are summed as integers; all others in a `struct exact`, allocated at the
 * first such value. Nothing depends on the order of the
 * values, and any split of them merges to the same bits.
 *
 * Ownership  zero a struct and set its scale(s) to begin; *_free releases.
 * Errors     `failed` sticks when memory runs out.
 */
#ifndef RWKVMON_STATS_MOMENTS_H
#define RWKVMON_STATS_MOMENTS_H

#include "stats/exact.h"
#include "stats/range.h"

struct moments {
	double scale; /* 10^decimals */
	uint64_t count;
	double min, max;    /* 0 if there is no value */
	i128 sum;           /* of the decimals, times scale */
	uint64_t square[3]; /* sum of their squares, times scale^2: 192 bits never wrap */
	struct exact *rest; /* [2]: sum and sum of squares of the values that are no decimals; or NULL */
	bool failed;
};

/* [hot] n = 1..RANGE_MOST values that moments_part calls no decimals, with their range. */
void moments_add_others(struct moments *m, const double *v, size_t n, const struct real_range *r);

/* [hot] Separates n <= RANGE_MOST finite values: decimals, times scale, go to `decimal`, the others to `other`. Returns
 * the number of decimals: doubles nearest to some d / scale, |d| < 2^51. */
size_t moments_part(double scale, const double *v, size_t n, int64_t *decimal, double *other);

/* [hot] The same for the values v[i] / scale, n = 1..RANGE_MOST, each |v[i]| < 2^52; r is their range. */
void moments_add_decimals(struct moments *m, const int64_t *v, size_t n, const struct range *r);
void moments_merge(struct moments *into, const struct moments *from); /* of equal scale */

/* Adds what is known of `count` values elsewhere: their sum, the sum of their squared distances from their mean, and
 * their range. Sum and squares are then as exact as these doubles, no longer to the bit. */
void moments_take(struct moments *m, uint64_t count, double sum, double squares_about_mean, double min, double max);
double moments_mean(const struct moments *m); /* NAN when count is 0 */
double moments_sum(const struct moments *m);
double moments_stddev(const struct moments *m); /* of a sample (n - 1); NAN when count < 2 */
void moments_free(struct moments *m);

/* Pairs (x, y): for Pearson's correlation. */
struct comoments {
	double scale_x, scale_y;
	uint64_t count;
	double low_x, high_x, low_y, high_y; /* if they are equal, a number is constant: sums of decimals and of
						doubles, which differ a little, may say that it varies */
	i128 x, y;
	uint64_t xx[3], yy[3];
	uint64_t xy[3];     /* two's complement */
	struct exact *rest; /* [5]: x, y, xx, yy, xy of pairs in which one is no decimal; or NULL */
	bool failed;
};

void comoments_add(struct comoments *c, double x, double y);
void comoments_add_pairs(struct comoments *c, const double *x, const double *y, size_t n); /* [hot] n <= RANGE_MOST */
void comoments_add_decimals(struct comoments *c, const int64_t *x, const int64_t *y, size_t n, const struct range *of_x,
			    const struct range *of_y); /* as above */
void comoments_merge(struct comoments *into, const struct comoments *from);
double comoments_pearson(const struct comoments *c); /* NAN when count < 2 or one of them is constant */
void comoments_free(struct comoments *c);

#endif
