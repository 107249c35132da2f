/* trend.h - fits a straight line through values over time, and gives the confidence interval of its slope.
 *
 * Weighted least squares. The deviations of neighbouring points are rarely independent. The slope's error is the larger
 * of two estimates: that of n (1 - r) / (1 + r) independent points, where r is the lag-1 correlation of the deviations;
 * and that of slopes in the noise between points near each other (noise.h). So a slow swing is not a trend.
 *
 * Ownership  plain values.
 * Cost       three passes over the points.
 */
#ifndef RWKVMON_STATS_TREND_H
#define RWKVMON_STATS_TREND_H

#include <stddef.h>

struct trend_point {
	double t, value;
	double weight; /* > 0 */
};

struct trend_line {
	double slope;       /* of value per t; NAN when there are fewer than 3 points or they share one t */
	double low, high;   /* 95 % confidence interval of the slope; NAN when fewer than TREND_POINTS count */
	double at_start;    /* the line at the first point */
	double independent; /* effective number of independent points, since neighbours are correlated */
	double memory;      /* number of points until the noise is uncorrelated, at most all of them */
};

enum { TREND_POINTS = 6 }; /* minimum number of independent points for an interval */

/* Points in ascending order of t, all finite. */
struct trend_line trend_fit(const struct trend_point *p, size_t n);

/* The deviations of points from a model. */
struct trend_rest {
	double square;      /* weighted mean square */
	double independent; /* effective number of points: n (1 - r) / (1 + r) */
};

/* e[i] is the deviation of p[i]. r is limited to 0..0.95 and corrected for its bias by adding (1 + 4 r) / n. */
struct trend_rest trend_rest(const struct trend_point *p, const double *e, size_t n);

enum { TREND_MAX = 1024 }; /* points */

#endif
