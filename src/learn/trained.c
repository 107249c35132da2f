/* trained.c - points become inputs, outputs become values. */
#include "learn/trained.h"

#include <math.h>
#include <stdlib.h>

const float trained_levels[TRAINED_QUANTILES] = { 0.05F, 0.5F, 0.95F };

enum { MEDIAN = 1 };

_Static_assert((int)TRAINED_METRICS_MAX *(int)TRAINED_INPUTS <= (int)LSTM_INPUTS_MAX, "inputs fit");
_Static_assert((int)TRAINED_METRICS_MAX *(int)TRAINED_HORIZONS *(int)TRAINED_QUANTILES <= (int)LSTM_OUTPUTS_MAX,
	       "outputs fit");

void trained_close(struct trained *l)
{
	if (l) {
		lstm_close(l->net);
		free(l->session);
	}
	free(l);
}

bool trained_knows(const struct trained *l, uint64_t session)
{
	size_t low = 0, high = l->n_sessions;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (l->session[middle] == (int64_t)session)
			return true;
		if (l->session[middle] < (int64_t)session)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static float within(double x)
{
	static const double MOST = 8; /* what is farther out says no more */

	return (float)(x < -MOST ? -MOST : x > MOST ? MOST : x);
}

/* Unknown points are as the one before them, and before the first known one nothing has changed. */
void trained_inputs(const struct trained *l, const double *const y[TRAINED_METRICS_MAX], size_t n, float *x)
{
	size_t inputs = l->net->shape.inputs;

	for (size_t m = 0; m < l->n_metrics; m++) {
		const struct trained_scale *s = &l->scale[m];
		double before = (double)NAN, sum = 0, known = 0;

		for (size_t i = 0; i < n; i++) {
			double now = y[m] && isfinite(y[m][i]) ? y[m][i] : before;
			float *at = x + i * inputs + m * TRAINED_INPUTS;

			sum += isfinite(now) ? now : 0;
			known += isfinite(now);
			at[0] = isfinite(before) ? within((now - before) / (double)s->change[0]) : 0;
			at[1] = isfinite(now) ? within((now - (double)s->mean) / (double)s->spread) : 0;
			at[2] = isfinite(now) ? within((now - sum / known) / (double)s->change[TRAINED_HORIZONS - 1])
					      : 0;
			before = now;
		}
	}
}

bool trained_say(const struct trained *l, const double *const y[TRAINED_METRICS_MAX], size_t n, size_t metric,
		 double (*said)[FORECAST_STEPS_MAX])
{
	float *x = calloc(n + 1, l->net->shape.inputs * sizeof *x);
	struct lstm_tape *tape = lstm_tape_open(&l->net->shape, n);
	struct lstm_state state = { 0 };
	double now = (double)NAN;
	bool fine = x && tape;

	if (fine) {
		trained_inputs(l, y, n, x);
		lstm_forward(l->net, tape, &state, x, n);
	}
	for (size_t i = 0; fine && i < n; i++) {
		now = y[metric] && isfinite(y[metric][i]) ? y[metric][i] : now;
		for (size_t h = 0; h < TRAINED_HORIZONS; h++) {
			float median = tape->out[i * l->net->shape.outputs + trained_output(metric, h) + MEDIAN];

			said[i + 1][h] = now + (double)(median * l->scale[metric].change[h]);
		}
	}
	lstm_tape_close(tape);
	free(x);
	return fine;
}
