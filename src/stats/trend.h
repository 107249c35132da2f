/* trend.h - a straight line through values over time, and how sure its slope is.
 *
 * Least squares, each point by its weight. The deviations of neighbouring points are seldom
 * independent: n points whose deviations have a lag-1 correlation r count as
 * n (1 - r) / (1 + r) independent ones in the slope's error, so that a slow swing is not
 * taken for a trend.
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
	double slope;	  /* of value per t; NAN when there are fewer than 3 points or they share one t */
	double low, high; /* 95 % confidence interval of the slope; NAN when fewer than TREND_POINTS count */
	double at_start;  /* the line at the first point */
};

enum { TREND_POINTS = 6 }; /* independent points an interval needs */

/* Points in ascending order of t, all finite. */
struct trend_line trend_fit(const struct trend_point *p, size_t n);

/* What is left of points when a model is taken away. */
struct trend_rest {
	double square;	    /* weighted mean square */
	double independent; /* points it is worth: n (1 - r) / (1 + r) */
};

/* e[i] is the deviation of p[i]. r is cut to 0..0.95 and raised by its bias, (1 + 4 r) / n. */
struct trend_rest trend_rest(const struct trend_point *p, const double *e, size_t n);

enum { TREND_MAX = 1024 }; /* points */

/* The value that |t| of Student's distribution stays under 95 % of the time; freedom >= 3. */
double trend_student95(double freedom);

#endif
