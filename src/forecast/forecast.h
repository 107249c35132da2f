/* forecast.h - forecasts a series, with intervals, and decides whether it can be forecast at all.
 *
 * Rolling origins: each model is fitted to the points before an origin and compared with those after it. At each origin
 * the model is picked whose mean absolute error was smallest among the points known then, of which the later half
 * counts. What was picked is judged by the points that came after: its skill is the share of the error of 'last value'
 * that it avoids there. Without skill in both halves of the origins, and at most of them, there is no forecast; nor is
 * there one if the newest points lie outside of the intervals that were made before them.
 * Intervals contain 9 of 10 errors of the model picked at the end, by distance; they never narrow with distance.
 *
 * Ownership  plain values.
 * Cost       some ms for FORECAST_POINTS_MAX points.
 */
#ifndef RWKVMON_FORECAST_FORECAST_H
#define RWKVMON_FORECAST_FORECAST_H

#include "forecast/models.h"

#include <stdbool.h>

enum forecast_state {
	FORECAST_TOO_SHORT, /* fewer than FORECAST_POINTS_LEAST points are known */
	FORECAST_CONSTANT,  /* the value has not changed */
	FORECAST_NO_SKILL,  /* no model is better than 'last value' by a tenth, or it no longer goes on as before */
	FORECAST_SKILLED,
};

struct forecast_step {
	double value, low, high; /* the interval holds 9 of 10 */
};

struct forecast {
	enum forecast_state state;
	enum forecast_model model; /* picked at the end, skilled or not */
	double skill;              /* 1 - its error / that of 'last value', where it was not picked; NAN unknown */
	double coverage;           /* share of those points within intervals made before them; NAN unknown */
	double error;              /* its mean absolute error there */
	size_t origins;            /* that judged */
	size_t steps;              /* as far as was tested */
	struct forecast_step step[FORECAST_STEPS_MAX];
	size_t points;
	double now;  /* the last known value */
	double ends; /* as stated by the caller */
};

/* How often a course ends, a point: as often as breaks.h finds in this series, which is as y of forecast_series. */
double forecast_ends(const double *y, size_t n);

/* y (n, at most FORECAST_POINTS_MAX): NAN where nothing is known. `ends`: how often a course ends, a point. `trained`,
 * unless it is NULL, holds the predictions of FORECAST_LSTM: row i (0..n) predicts the points after the first i; row 0
 * is not read. */
void forecast_series(const double *y, size_t n, double ends, double (*trained)[FORECAST_STEPS_MAX],
		     struct forecast *out);

/* Does it go on by the same amount each step, of which there are at least three? A level does, by nothing. */
bool forecast_is_line(const struct forecast *f);

/* Steps from the end of the series until the limit is reached: by the forecast itself, and by the near and the far end
 * of its interval. INFINITY: not within the range of the forecast. A line is extended beyond the tested steps, up to
 * FORECAST_BEYOND times the series; `tested` says whether the result lies in the tested range. */
enum { FORECAST_BEYOND = 10 };
struct forecast_reach {
	double at, early, late;
	bool now;    /* it is beyond the limit already */
	bool tested; /* `at` lies where the model was tested */
};
struct forecast_reach forecast_reach(const struct forecast *f, double limit, bool above);

#endif
