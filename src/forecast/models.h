/* models.h - forecasting models: each sees the points so far and predicts the next ones.
 *
 * Points are evenly spaced and finite. Models are fitted to what they see, each time.
 *
 * Ownership  plain values.
 */
#ifndef RWKVMON_FORECAST_MODELS_H
#define RWKVMON_FORECAST_MODELS_H

#include <stddef.h>

enum forecast_model {
	FORECAST_LAST,
	FORECAST_LINE,      /* through the later half of the points */
	FORECAST_LONG_LINE, /* through all of them */
	FORECAST_DAMPED,
	FORECAST_SEASONAL,
	FORECAST_LSTM, /* the only one that was trained beforehand, by who calls */
	FORECAST_MODEL_COUNT
};

enum {
	FORECAST_POINTS_LEAST = 24,
	FORECAST_POINTS_MAX = 128,
	FORECAST_STEPS_MAX = FORECAST_POINTS_MAX / 4,
	FORECAST_FIT_LEAST = 8, /* points that a model is fitted to */
};

extern const char *const forecast_model_ids[FORECAST_MODEL_COUNT]; /* "last_value", "robust_line", … */

/* Any model but FORECAST_LSTM. y (n), FORECAST_FIT_LEAST..FORECAST_POINTS_MAX of them; out (steps), at most
 * FORECAST_STEPS_MAX. */
void forecast_by(enum forecast_model model, const double *y, size_t n, double *out, size_t steps);

/* Median slope and level of n points in a row, 2..FORECAST_LINE_MAX of them; the line at the last point. */
enum { FORECAST_LINE_MAX = 48 };
struct forecast_line {
	double slope, now;
};
struct forecast_line forecast_line(const double *t, const double *y, size_t n);

#endif
