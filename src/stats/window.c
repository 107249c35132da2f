#include "stats/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void window_push(struct window *w, double value)
{
	w->v[w->next] = value;
	w->next = w->next + 1 == w->cap ? 0 : w->next + 1;
	if (w->n < w->cap)
		w->n++;
}

double window_mean(const struct window *w)
{
	double sum = 0;

	for (size_t i = 0; i < w->n; i++)
		sum += w->v[i];
	return w->n ? sum / (double)w->n : NAN;
}

double window_min(const struct window *w)
{
	double least = NAN;

	for (size_t i = 0; i < w->n; i++)
		least = fmin(least, w->v[i]);
	return least;
}

double window_max(const struct window *w)
{
	double most = NAN;

	for (size_t i = 0; i < w->n; i++)
		most = fmax(most, w->v[i]);
	return most;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_of(double *v, size_t n)
{
	if (!n)
		return NAN;
	qsort(v, n, sizeof *v, by_value);
	return n % 2 ? v[n / 2] : v[n / 2 - 1] + (v[n / 2] - v[n / 2 - 1]) / 2;
}

double window_median(const struct window *w)
{
	double sorted[WINDOW_MAX];

	memcpy(sorted, w->v, w->n * sizeof *sorted);
	return median_of(sorted, w->n);
}

double window_mad(const struct window *w, double center)
{
	double away[WINDOW_MAX];

	for (size_t i = 0; i < w->n; i++)
		away[i] = fabs(w->v[i] - center);
	return median_of(away, w->n);
}
