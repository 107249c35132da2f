/* noise.h - how long the noise of a series stays correlated, and how much means and slopes vary because of it.
 *
 * The noise is modelled as the sum of two parts: one that is new at each point, and one that keeps the share `keep` of
 * itself from point to point. Both come from the differences of points 1, 2, 3, 4, 6, 8, ... apart (a variogram): each
 * lag's differences are taken around their median and without the largest fifth, so that neither a drift nor a few
 * jumps of the level count as noise. What skew and heavy tails add to the differences of neighbours, all but the
 * largest fiftieth of them, is added to the first part. Differences do not show how far a series may still wander: a
 * series shorter than its memory is treated as a random walk.
 *
 * Ownership  plain values.
 * Cost       O(n) per lag: some 50 us for 512 points.
 */
#ifndef RWKVMON_STATS_NOISE_H
#define RWKVMON_STATS_NOISE_H

#include "stats/trend.h"

enum { NOISE_CUTS_MAX = 32 };

struct noise {
	double fresh; /* variance of the part that is new at each point */
	double swing; /* variance of the part that persists */
	double keep;  /* 0..1: correlation of the persistent part between neighbours */
};

/* Replaces values far from the median of the fifteen around them (seven on each side, and themselves) by that median: a
 * rare slow call is not a level. */
void noise_smooth_spikes(struct trend_point *p, size_t n);

/* Points before which the level may jump: at[0..n). */
struct trend_cuts {
	size_t at[NOISE_CUTS_MAX];
	size_t n;
};

/* Points as in trend.h, 3..TREND_MAX. Differences across a cut are left out. */
struct noise noise_of(const struct trend_point *p, size_t n, const struct trend_cuts *cuts);

/* Variance of the mean of n points in a row, and of the difference between the means of n and m points in a row that
 * follow each other. */
double noise_of_step(const struct noise *e, double n, double m);

/* Distance in points from which two points are practically independent: the sum of the autocorrelation on both sides;
 * 1: no memory. */
double noise_memory(const struct noise *e);

/* Variance of the sum of share[i] times the i-th of n points in a row. */
double noise_of_contrast(const struct noise *e, const double *share, size_t n);

#endif
