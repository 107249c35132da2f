/* noise.c - how much the mean of correlated noise varies. */
#include "stats/noise.h"

#include "stats/select.h"

#include <math.h>
#include <stdbool.h>

enum { LAGS_MAX = 32, PAIRS_LEAST = 4, LONGEST_LAG = 8, SPIKE_REACH = 7 };

/* The mean absolute value of a normal deviate, without the largest fifth. */
static const double INNER_MEAN = 0.5586;

/* The largest correlation that is distinguished from a random walk. */
static const double KEEP_MOST = 0.9995;

struct lag {
	double points, variance, weight; /* half the mean square difference of values that many points apart */
};

/* The distance, in deviations, beyond which a value is a spike. */
static const float SPIKE = 4;

static float middle(float *v, size_t n)
{
	return select_kth(v, n, n / 2);
}

static bool crosses(const struct trend_cuts *cuts, size_t from, size_t to)
{
	for (size_t i = 0; i < cuts->n; i++)
		if (from < cuts->at[i] && cuts->at[i] <= to)
			return true;
	return false;
}

/* The mean of the smaller four fifths, as the deviation of a normal distribution that has the same. */
static double inner_deviation(float *size, size_t n)
{
	size_t inner = n - n / 5;
	double sum = 0;

	select_kth(size, n, inner - 1);
	for (size_t i = 0; i < inner; i++)
		sum += (double)size[i];
	return sum / ((double)inner * INNER_MEAN);
}

/* Sorted values of points from..to. */
struct around {
	float v[2 * SPIKE_REACH + 1];
	size_t n;
};

static void around_add(struct around *a, float value)
{
	size_t at = a->n++;

	for (; at && a->v[at - 1] > value; at--)
		a->v[at] = a->v[at - 1];
	a->v[at] = value;
}

static void around_remove(struct around *a, float value)
{
	size_t at = 0;

	while (at + 1 < a->n && a->v[at] != value)
		at++;
	for (a->n--; at < a->n; at++)
		a->v[at] = a->v[at + 1];
}

void noise_smooth_spikes(struct trend_point *p, size_t n)
{
	float value[TREND_MAX], center[TREND_MAX], off[TREND_MAX], size[TREND_MAX], most;
	struct around around = { .n = 0 };

	for (size_t i = 0; i < n; i++)
		value[i] = (float)(p[i].value - p[0].value);
	for (size_t i = 0; i < SPIKE_REACH && i < n; i++)
		around_add(&around, value[i]);
	for (size_t i = 0; i < n; i++) {
		if (i + SPIKE_REACH < n)
			around_add(&around, value[i + SPIKE_REACH]);
		center[i] = around.v[around.n / 2];
		off[i] = size[i] = fabsf(value[i] - center[i]);
		if (i >= SPIKE_REACH)
			around_remove(&around, value[i - SPIKE_REACH]);
	}
	most = SPIKE * (float)inner_deviation(off, n);
	for (size_t i = n; most > 0 && i-- > 0;)
		if (size[i] > most)
			p[i].value = p[0].value + (double)center[i];
}

/* Half the mean square of the differences at that lag, as if they were normal; 0 pairs: none are left. */
static struct lag look_at_lag(const struct trend_point *p, size_t n, const struct trend_cuts *cuts, size_t lag)
{
	float d[TREND_MAX], center;
	size_t pairs = 0;
	double deviation;

	for (size_t i = 0; i + lag < n; i++)
		if (!crosses(cuts, i, i + lag))
			d[pairs++] = (float)(p[i + lag].value - p[i].value);
	if (pairs < PAIRS_LEAST)
		return (struct lag){ 0 };
	center = middle(d, pairs);
	for (size_t i = 0; i < pairs; i++)
		d[i] = fabsf(d[i] - center);
	deviation = inner_deviation(d, pairs);
	return (struct lag){ (double)lag, deviation * deviation / 2, (double)pairs / (double)lag };
}

static size_t find_lags(const struct trend_point *p, size_t n, const struct trend_cuts *cuts, struct lag *out)
{
	size_t found = 0;

	for (size_t lag = 1, step = 1; lag <= n / LONGEST_LAG || lag <= 2; lag += step) {
		out[found] = look_at_lag(p, n, cuts, lag);
		found += out[found].points > 0;
		step = lag >= 4 && !(lag & (lag - 1)) ? lag / 2 : step;
	}
	return found;
}

/* The best fresh and swing for this keep, neither of them negative; returns the sum of relative squared errors of the
 * fit. */
static double fit(const struct lag *lag, size_t n, double keep, struct noise *out)
{
	double y[LAGS_MAX], xx = 0, xy = 0, yy = 0, xv = 0, yv = 0, rest = 0, det;

	for (size_t i = 0; i < n; i++) {
		double w = lag[i].weight / (lag[i].variance * lag[i].variance);

		y[i] = 1 - pow(keep, lag[i].points);
		xx += w;
		xy += w * y[i];
		yy += w * y[i] * y[i];
		xv += w * lag[i].variance;
		yv += w * y[i] * lag[i].variance;
	}
	det = xx * yy - xy * xy;
	*out = (struct noise){ .keep = keep };
	if (det > 1e-9 * xx * yy) {
		out->fresh = (yy * xv - xy * yv) / det;
		out->swing = (xx * yv - xy * xv) / det;
	}
	if (!(det > 1e-9 * xx * yy) || out->swing < 0) {
		out->fresh = xv / xx;
		out->swing = 0;
	} else if (out->fresh < 0) {
		out->fresh = 0;
		out->swing = yv / yy;
	}
	for (size_t i = 0; i < n; i++) {
		double off = (out->fresh + out->swing * y[i]) / lag[i].variance - 1;

		rest += lag[i].weight * off * off;
	}
	return rest;
}

/* Half the mean square of the differences of neighbours, without the largest fiftieth: it grows with skew and heavy
 * tails, which the inner differences do not show. */
static double outer_square(const struct trend_point *p, size_t n, const struct trend_cuts *cuts)
{
	float d[TREND_MAX];
	size_t pairs = 0, inner;
	double sum = 0;

	for (size_t i = 0; i + 1 < n; i++)
		if (!crosses(cuts, i, i + 1))
			d[pairs++] = fabsf((float)(p[i + 1].value - p[i].value));
	inner = pairs - pairs / 50;
	if (!inner)
		return 0;
	select_kth(d, pairs, inner - 1);
	for (size_t i = 0; i < inner; i++)
		sum += (double)d[i] * (double)d[i];
	return sum / (2 * (double)inner);
}

struct noise noise_of(const struct trend_point *p, size_t n, const struct trend_cuts *cuts)
{
	struct lag lag[LAGS_MAX];
	struct noise best = { 0, 0, 0 };
	double least = INFINITY;
	size_t lags;
	double most = 0;

	lags = find_lags(p, n, cuts, lag);
	for (size_t i = 0; i < lags; i++)
		most = fmax(most, lag[i].variance);
	for (size_t i = 0; i < lags; i++) /* values that stay for many points have no difference at small lags */
		lag[i].variance = fmax(lag[i].variance, 1e-6 * most);
	for (double loses = 1; most > 0 && loses > 1 - KEEP_MOST; loses *= 0.8) {
		struct noise e;
		double rest = fit(lag, lags, 1 - loses, &e);

		if (rest < least) {
			least = rest;
			best = e;
		}
	}
	if (lags)
		best.fresh += fmax(outer_square(p, n, cuts) - lag[0].variance, 0);
	return best;
}

/* Variance of the mean of n of what lasts, by its own. */
static double share_of_mean(double keep, double n)
{
	double loses = 1 - keep;

	if (n <= 1 || keep <= 0)
		return 1 / fmax(n, 1);
	return ((1 + keep) / loses - 2 * keep * (1 - pow(keep, n)) / (n * loses * loses)) / n;
}

static double noise_of_mean(const struct noise *e, double n)
{
	return e->fresh / fmax(n, 1) + e->swing * share_of_mean(e->keep, n);
}

double noise_of_step(const struct noise *e, double n, double m)
{
	double loses = 1 - e->keep;
	double shared = e->keep * (1 - pow(e->keep, n)) * (1 - pow(e->keep, m)) / (n * m * loses * loses);

	return fmax(noise_of_mean(e, n) + noise_of_mean(e, m) - 2 * e->swing * shared, 0);
}

double noise_memory(const struct noise *e)
{
	double all = e->fresh + e->swing;

	return all > 0 ? (e->fresh + e->swing * (1 + e->keep) / (1 - e->keep)) / all : 1;
}

double noise_of_contrast(const struct noise *e, const double *share, size_t n)
{
	double own = 0, together = 0, carried = 0;

	for (size_t i = 0; i < n; i++) {
		own += share[i] * share[i];
		carried *= e->keep;
		together += share[i] * (share[i] + 2 * carried);
		carried += share[i];
	}
	return e->fresh * own + e->swing * fmax(together, 0);
}
