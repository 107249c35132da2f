/* window.c - the ring of values, and statistics of what it held. */
#include "stats/window.h"

#include "stats/median.h"
#include "stats/select.h"

#include <math.h>
#include <string.h>

static const double LARGE = 8796093022208; /* 2^43: WINDOW_MAX of them stay below 2^53 */

void window_push_many(struct window *w, const double *value, size_t n)
{
	size_t left_out = n > w->cap ? n - w->cap : 0, first;

	w->next = (uint32_t)((w->next + left_out) % w->cap);
	value += left_out;
	n -= left_out;
	first = n < w->cap - w->next ? n : w->cap - w->next;
	memcpy(w->v + w->next, value, first * sizeof *value);
	memcpy(w->v, value + first, (n - first) * sizeof *value);
	w->next = (uint32_t)((w->next + n) % w->cap);
	w->n = w->n + n < w->cap ? (uint32_t)(w->n + n) : w->cap;
}

void window_copy(const struct window *w, double *out)
{
	size_t oldest = w->n == w->cap ? w->next : 0, first = w->n - oldest;

	memcpy(out, w->v + oldest, first * sizeof *out);
	memcpy(out + first, w->v, oldest * sizeof *out);
}

double values_whole(double value, double scale)
{
	double whole = rint(value * scale);

	return fabs(whole) < LARGE ? whole : (double)NAN;
}

double values_mean(const double *v, size_t n, double scale)
{
	double whole = scale > 0 ? 0 : NAN, sum = 0;

	for (size_t i = 0; i < n && !isnan(whole); i++)
		whole += values_whole(v[i], scale);
	if (!n || !isnan(whole))
		return n ? whole / (double)n / scale : (double)NAN;
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return sum / (double)n;
}

double values_min(const double *v, size_t n)
{
	double least = NAN;

	for (size_t i = 0; i < n; i++)
		least = fmin(least, v[i]);
	return least;
}

double values_max(const double *v, size_t n)
{
	double most = NAN;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, v[i]);
	return most;
}

double values_median(const double *v, size_t n)
{
	double room[WINDOW_MAX];

	if (!n)
		return NAN;
	memcpy(room, v, n * sizeof *v);
	return median_select(room, n);
}

double values_quantile(const double *v, size_t n, double q)
{
	double room[WINDOW_MAX], rank = ceil(q * (double)n);

	if (!n)
		return NAN;
	memcpy(room, v, n * sizeof *v);
	return select_kth_double(room, n, rank < 1 ? 0 : (size_t)rank - 1);
}

double values_spread(const double *v, size_t n)
{
	double ln[WINDOW_MAX], mean = 0, sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++)
		mean += v[i] / (double)n;
	if (!(mean > 0))
		return NAN;
	for (size_t i = 0; i < n; i++) {
		ln[i] = log(fmax(v[i] / mean, 0.1));
		sum += ln[i];
	}
	for (size_t i = 0; i < n; i++)
		squares += (ln[i] - sum / (double)n) * (ln[i] - sum / (double)n);
	return sqrt(squares / (double)n);
}

double values_mad(const double *v, size_t n, double center)
{
	double away[WINDOW_MAX];

	if (!n)
		return NAN;
	for (size_t i = 0; i < n; i++)
		away[i] = fabs(v[i] - center);
	return median_select(away, n);
}
