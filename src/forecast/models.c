/* models.c - last value, robust lines, damped trend, seasonal profile. */
#include "forecast/models.h"

#include "stats/median.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

enum { LINE_LEAST = 12, PERIOD_LEAST = 4, PERIODS_LEAST = 2, PERIODS_USED = 4 };

/* A period is accepted if the autocorrelation at that distance is at least this. */
static const double ALIKE = 0.5;

const char *const forecast_model_ids[FORECAST_MODEL_COUNT] = { "last_value",   "robust_line",      "long_line",
							       "damped_trend", "seasonal_profile", "lstm" };

static void last_value(const double *y, size_t n, double *out, size_t steps)
{
	for (size_t k = 0; k < steps; k++)
		out[k] = y[n - 1];
}

/* --- robust line: the median of the slopes between all pairs (Theil and Sen) ------------- */

struct forecast_line forecast_line(const double *t, const double *y, size_t n)
{
	double slope[FORECAST_LINE_MAX * (FORECAST_LINE_MAX - 1) / 2], rest[FORECAST_LINE_MAX];
	struct forecast_line line = { 0, y[n - 1] };
	size_t pairs = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			if (t[j] > t[i])
				slope[pairs++] = (y[j] - y[i]) / (t[j] - t[i]);
	if (!pairs)
		return line;
	line.slope = median_select(slope, pairs);
	for (size_t i = 0; i < n; i++)
		rest[i] = y[i] - line.slope * (t[i] - t[n - 1]);
	line.now = median_select(rest, n);
	return line;
}

/* Of the later half: what was long ago says little about the slope now. */
static void robust_line(const double *y, size_t n, double *out, size_t steps)
{
	double t[FORECAST_LINE_MAX];
	size_t used = n / 2 > LINE_LEAST ? n / 2 : LINE_LEAST;
	struct forecast_line line;

	used = used > n ? n : used;
	used = used > FORECAST_LINE_MAX ? FORECAST_LINE_MAX : used;
	for (size_t i = 0; i < used; i++)
		t[i] = (double)i;
	line = forecast_line(t, y + n - used, used);
	for (size_t k = 0; k < steps; k++)
		out[k] = line.now + line.slope * (double)(k + 1);
}

/* Of all points, put together where there are more than a line takes. */
static void long_line(const double *y, size_t n, double *out, size_t steps)
{
	double t[FORECAST_LINE_MAX], mean[FORECAST_LINE_MAX];
	size_t group = (n + FORECAST_LINE_MAX - 1) / FORECAST_LINE_MAX, points = 0;
	struct forecast_line line;

	for (size_t at = n % group; at < n; at += group, points++) {
		t[points] = (double)at + (double)(group - 1) / 2;
		mean[points] = 0;
		for (size_t i = 0; i < group; i++)
			mean[points] += y[at + i] / (double)group;
	}
	line = forecast_line(t, mean, points);
	for (size_t k = 0; k < steps; k++)
		out[k] = line.now + line.slope * ((double)(n + k) - t[points - 1]);
}

/* --- damped trend: exponential smoothing whose trend dies away at once, slowly or never (Gardner and McKenzie) --- */

struct smoothing {
	double level_share, trend_share, keep;
};

struct smoothed {
	double level, trend;
	double error; /* sum of the absolute errors one step ahead, the first points left out */
};

/* One step before the first point, by a line through the first points. */
static struct smoothed beginning(const double *y)
{
	double t[FORECAST_FIT_LEAST];
	struct forecast_line line;

	for (size_t i = 0; i < FORECAST_FIT_LEAST; i++)
		t[i] = (double)i;
	line = forecast_line(t, y, FORECAST_FIT_LEAST);
	return (struct smoothed){ .level = line.now - line.slope * FORECAST_FIT_LEAST, .trend = line.slope };
}

static struct smoothed smooth(const double *y, size_t n, struct smoothed s, struct smoothing by)
{
	for (size_t i = 0; i < n; i++) {
		double expected = s.level + by.keep * s.trend, error = y[i] - expected;

		s.error += i >= FORECAST_FIT_LEAST / 2 ? fabs(error) : 0;
		s.level = expected + by.level_share * error;
		s.trend = by.keep * s.trend + by.level_share * by.trend_share * error;
	}
	return s;
}

static void damped_trend(const double *y, size_t n, double *out, size_t steps)
{
	static const double level_share[] = { 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.95 },
			    trend_share[] = { 0, 0.03, 0.1, 0.3 }, keep[] = { 0, 0.85, 0.95, 1 };
	const struct smoothed begin = beginning(y);
	struct smoothed best = { .error = INFINITY };
	double keeps = 0, sum = 0, power = 1;

	for (size_t a = 0; a < sizeof level_share / sizeof *level_share; a++)
		for (size_t b = 0; b < sizeof trend_share / sizeof *trend_share; b++)
			for (size_t c = 0; c < sizeof keep / sizeof *keep; c++) {
				struct smoothed s = smooth(
					y, n, begin, (struct smoothing){ level_share[a], trend_share[b], keep[c] });

				if (!(s.error < best.error))
					continue;
				best = s;
				keeps = keep[c];
			}
	for (size_t k = 0; k < steps; k++) {
		power *= keeps;
		sum += power;
		out[k] = best.level + best.trend * sum;
	}
}

/* --- seasonal profile: the median of the same moment in the last periods ------------------ */

static double likeness(const double *y, size_t n, size_t apart, double mean)
{
	double product = 0, square = 0;

	for (size_t i = 0; i < n; i++) {
		square += (y[i] - mean) * (y[i] - mean);
		product += i >= apart ? (y[i] - mean) * (y[i - apart] - mean) : 0;
	}
	return square > 0 ? product / square * (double)n / (double)(n - apart) : 0;
}

/* The distance at which values are most alike beyond the first at which they are not; 0: there is none. */
static size_t period_of(const double *y, size_t n)
{
	double mean = 0, best = ALIKE;
	bool apart = false;
	size_t period = 0;

	for (size_t i = 0; i < n; i++)
		mean += y[i] / (double)n;
	for (size_t p = 2; p <= n / PERIODS_LEAST; p++) {
		double r = likeness(y, n, p, mean);

		apart |= r < ALIKE / 2;
		if (!apart || p < PERIOD_LEAST || !(r > best))
			continue;
		best = r;
		period = p;
	}
	return period;
}

static void seasonal_profile(const double *y, size_t n, double *out, size_t steps)
{
	size_t period = period_of(y, n);

	if (!period) {
		last_value(y, n, out, steps);
		return;
	}
	for (size_t k = 0; k < steps; k++) {
		double same[PERIODS_USED];
		size_t found = 0, back = period - k % period;

		for (; found < PERIODS_USED && back <= n; back += period)
			same[found++] = y[n - back];
		out[k] = median_select(same, found);
	}
}

void forecast_by(enum forecast_model model, const double *y, size_t n, double *out, size_t steps)
{
	static void (*const by[FORECAST_LSTM])(const double *, size_t, double *, size_t) = {
		[FORECAST_LAST] = last_value,           [FORECAST_LINE] = robust_line,
		[FORECAST_LONG_LINE] = long_line,       [FORECAST_DAMPED] = damped_trend,
		[FORECAST_SEASONAL] = seasonal_profile,
	};

	by[model](y, n, out, steps);
}
