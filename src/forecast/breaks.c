/* breaks.c - cuts where two lines are much nearer to the points than one. */
#include "forecast/breaks.h"

#include "forecast/models.h"

#include <math.h>

/* One line's squared distance beside that of the two: what noise alone, or noise with a memory, makes of it. */
static const double NEARER = 2;

/* Sums of the first i points. */
struct sums {
	double y[FORECAST_POINTS_MAX + 1], ty[FORECAST_POINTS_MAX + 1], yy[FORECAST_POINTS_MAX + 1];
	double rounding; /* no distance is known to be less */
};

/* Squared distance of the points from..to from their line. */
static double apart(const struct sums *s, size_t from, size_t to)
{
	double n = (double)(to - from), mid = (double)from + (n - 1) / 2, y = s->y[to] - s->y[from];
	double tt = n * (n * n - 1) / 12, ty = s->ty[to] - s->ty[from] - mid * y;
	double yy = s->yy[to] - s->yy[from] - y * y / n;
	double rest = yy - ty * ty / tt;

	return rest > s->rounding ? rest : s->rounding;
}

/* Where one piece is best cut in two; 0: not at all. */
static size_t cut_of(const struct sums *s, size_t from, size_t to)
{
	double least = apart(s, from, to) / NEARER;
	size_t at = 0;

	for (size_t i = from + BREAK_PIECE; i + BREAK_PIECE <= to; i++) {
		double both = apart(s, from, i) + apart(s, i, to);

		if (!(both < least))
			continue;
		least = both;
		at = i;
	}
	return at;
}

/* Of the known points, and where they are; how many. */
static size_t sum_up(struct sums *s, size_t at[FORECAST_POINTS_MAX], const double *y, size_t n)
{
	size_t k = 0;

	s->y[0] = s->ty[0] = s->yy[0] = 0;
	for (size_t i = 0; i < n; i++) {
		double v = isfinite(y[i]) ? y[i] - y[k ? at[0] : i] : 0;

		if (!isfinite(y[i]))
			continue;
		at[k] = i;
		s->y[k + 1] = s->y[k] + v;
		s->ty[k + 1] = s->ty[k] + (double)k * v;
		s->yy[k + 1] = s->yy[k] + v * v;
		k++;
	}
	s->rounding = 1e-12 * s->yy[k];
	return k;
}

/* Leaves out cuts that later ones made needless: those around it are cut better. */
static struct breaks keep(const struct sums *s, const size_t *cut, size_t n_cuts, size_t n)
{
	struct breaks b = { 0 };

	for (size_t i = 0; i < n_cuts; i++) {
		size_t to = i + 1 < n_cuts ? cut[i + 1] : n;

		if (apart(s, b.last, to) < NEARER * (apart(s, b.last, cut[i]) + apart(s, cut[i], to)))
			continue;
		b.last = cut[i];
		b.n++;
	}
	return b;
}

struct breaks breaks_find(const double *y, size_t n)
{
	size_t end[FORECAST_POINTS_MAX / BREAK_PIECE + 1], n_ends = 1; /* of pieces, the nearest on top */
	size_t cut[FORECAST_POINTS_MAX / BREAK_PIECE + 1], n_cuts = 0, from = 0, at[FORECAST_POINTS_MAX] = { 0 };
	struct breaks b;
	struct sums s;

	end[0] = sum_up(&s, at, y, n);
	n = end[0];
	while (n_ends) {
		size_t middle = end[n_ends - 1] - from >= 2 * BREAK_PIECE ? cut_of(&s, from, end[n_ends - 1]) : 0;

		if (middle) {
			end[n_ends++] = middle;
			continue;
		}
		from = end[--n_ends];
		if (n_ends)
			cut[n_cuts++] = from;
	}
	b = keep(&s, cut, n_cuts, n);
	b.last = b.n ? at[b.last] : 0;
	return b;
}
