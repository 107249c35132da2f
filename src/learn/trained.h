/* trained.h - a trained model of several metrics of a log: an LSTM, and what its numbers mean.
 *
 * It sees evenly spaced points, each by its change, its level, and its distance from the mean so far, and says of each
 * metric how far it will be from now after the next TRAINED_HORIZONS points: the quantiles 0.05, 0.5 and 0.95. Its unit
 * is the mean change at that distance in the logs it was trained on; 0 is "it stays as it is".
 *
 * Ownership  trained_open and learn_train (train.h) create, trained_close destroys; NULL is fine.
 * Threads    read-only once made.
 * Cost       some 10 us a point.
 * Errors     those of tensor_file_open; -ERR_FORMAT of a file that is damaged or holds something else, -ERR_UNSUPPORTED
 *            of another layout, -ERR_NOMEM.
 */
#ifndef RWKVMON_LEARN_TRAINED_H
#define RWKVMON_LEARN_TRAINED_H

#include "base/err.h"
#include "forecast/models.h"
#include "learn/lstm.h"

enum {
	TRAINED_METRICS_MAX = 8,
	TRAINED_HORIZONS = FORECAST_STEPS_MAX, /* points ahead: 1, 2, … */
	TRAINED_QUANTILES = 3,
	TRAINED_NAME_BYTES = 64,
	TRAINED_INPUTS = 3,             /* of one metric */
	TRAINED_SESSIONS_MAX = 1 << 16, /* that are remembered */
};

extern const float trained_levels[TRAINED_QUANTILES];

struct trained_scale {
	float mean, spread;             /* of the values */
	float change[TRAINED_HORIZONS]; /* [h]: mean absolute change over h + 1 points */
};

struct trained {
	size_t n_metrics;
	char metric[TRAINED_METRICS_MAX][TRAINED_NAME_BYTES];
	struct trained_scale scale[TRAINED_METRICS_MAX];
	int64_t *session; /* (n_sessions), sorted: hashes of the sessions it has learned from */
	size_t n_sessions;
	struct lstm *net;
};

int trained_open(struct trained **out, const char *path, struct err *err);
int trained_save(const struct trained *l, const char *path, struct err *err);
void trained_close(struct trained *l);

/* Its session is among those it has learned from: what it says of that log proves nothing. */
bool trained_knows(const struct trained *l, uint64_t session);

/* y[m] (n) of each of its metrics, NULL where there is none, NAN where nothing is known; into x (n, inputs). */
void trained_inputs(const struct trained *l, const double *const y[TRAINED_METRICS_MAX], size_t n, float *x);

/* Where the outputs of a metric at a horizon begin, TRAINED_QUANTILES of them. */
static inline size_t trained_output(size_t metric, size_t horizon)
{
	return (metric * TRAINED_HORIZONS + horizon) * TRAINED_QUANTILES;
}

/* said (n + 1) of one metric: in said[i] the medians of the next points after having seen i points, 1..n; NAN before
 * its first known one. said[0] is left alone. False: no memory. */
bool trained_say(const struct trained *l, const double *const y[TRAINED_METRICS_MAX], size_t n, size_t metric,
		 double (*said)[FORECAST_STEPS_MAX]);

#endif
