#include "stats/changes.h"

#include <math.h>
#include <stdbool.h>

/* What a jump must score: plain noise reaches it once in some hundred series of 512 points. */
static const double SCORE_LEAST = 5;

/* Twice the log likelihood ratio by which two levels must fit better than a line. */
static const double BETTER_THAN_LINE = 20;

enum { SIDE_LEAST = 8, SIDES_OF_ALL = 32, STRETCHES_MAX = 1024 };

/* Points a level needs: 1/32 of all, so that a slow swing is not cut to pieces. */
static size_t side_of(size_t n)
{
	return n / SIDES_OF_ALL > SIDE_LEAST ? n / SIDES_OF_ALL : SIDE_LEAST;
}

static double level_of(const struct trend_point *p, size_t n)
{
	double weight = 0, sum = 0;

	for (size_t i = 0; i < n; i++) {
		weight += p[i].weight;
		sum += p[i].weight * p[i].value;
	}
	return sum / weight;
}

/* The cut that leaves the least square deviation: that with the greatest w1 w2 / w (m1 - m2)^2. 0: none. */
static size_t best_cut(const struct trend_point *p, size_t n, size_t side)
{
	double mean = level_of(p, n), all = 0, weight = 0, sum = 0, best = 0;
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		all += p[i].weight;
	for (size_t i = 0; i + side < n; i++) {
		weight += p[i].weight;
		sum += p[i].weight * (p[i].value - mean);
		if (i + 1 < side || sum * sum <= best * weight * (all - weight))
			continue;
		best = sum * sum / (weight * (all - weight));
		at = i + 1;
	}
	return at;
}

/* Weighted mean square of what a line leaves. */
static double rest_of_line(const struct trend_point *p, size_t n)
{
	struct trend_line line = trend_fit(p, n);
	double e[TREND_MAX];

	for (size_t i = 0; i < n; i++)
		e[i] = p[i].value - line.at_start - line.slope * (p[i].t - p[0].t);
	return trend_rest(p, e, n).square;
}

/* Student's t as the value of a normal distribution with the same tails (Wallace). */
static double as_normal(double t, double freedom)
{
	return sqrt(freedom * log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3);
}

/* How clear a jump after `at` points is; 0 when a line fits as well or it drowns in the jitter. */
static double score_of(const struct trend_point *p, size_t n, size_t at)
{
	double before = level_of(p, at), after = level_of(p + at, n - at), jump = fabs(after - before);
	double e[TREND_MAX], tiny = 1e-9 * (fabs(after) + fabs(before)), deviation, freedom;
	struct trend_rest rest;

	for (size_t i = 0; i < n; i++) {
		e[i] = p[i].value - (i < at ? before : after);
		e[i] = fabs(e[i]) > tiny ? e[i] : 0; /* rounding is not related noise */
	}
	rest = trend_rest(p, e, n);
	freedom = fmax(rest.independent - 2, 1);
	deviation = fmax(sqrt(rest.square * (double)n / (double)(n - 2)), tiny);
	if (jump <= 2 * tiny || jump < deviation ||
	    rest.independent * log(rest_of_line(p, n) / fmax(rest.square, tiny * tiny)) < BETTER_THAN_LINE)
		return 0;
	return as_normal(jump / (deviation * sqrt((double)n / rest.independent *
						  (1 / (double)at + 1 / (double)(n - at)))),
			 freedom);
}

struct stretch {
	size_t from, n, cut; /* cut counts from the first point of all */
	double score;
};

/* Stretches of n, n/sqrt 2, n/2, … points, each a quarter of its length after the one before;
 * only those with a cut that counts. */
static size_t look_at_stretches(const struct trend_point *p, size_t n, struct stretch *out)
{
	size_t side = side_of(n), found = 0;

	for (double length = (double)n; (size_t)length >= 2 * side && length >= 2; length /= sqrt(2)) {
		size_t own = (size_t)length;

		for (size_t from = 0; from + own <= n && found < STRETCHES_MAX; from += own / 4) {
			size_t cut = best_cut(p + from, own, side);
			double score = cut ? score_of(p + from, own, cut) : 0;

			if (score >= SCORE_LEAST)
				out[found++] = (struct stretch){ from, own, from + cut, score };
		}
	}
	return found;
}

static const struct stretch *shortest(const struct stretch *s, size_t n, const bool *gone)
{
	const struct stretch *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (!gone[i] && (!best || s[i].n < best->n || (s[i].n == best->n && s[i].score > best->score)))
			best = &s[i];
	return best;
}

static void insert(struct change *out, size_t n, struct change change)
{
	while (n && out[n - 1].at > change.at) {
		out[n] = out[n - 1];
		n--;
	}
	out[n] = change;
}

size_t changes_find(const struct trend_point *p, size_t n, struct change *out, size_t most)
{
	struct stretch stretch[STRETCHES_MAX];
	bool gone[STRETCHES_MAX] = { false };
	size_t stretches = n <= TREND_MAX ? look_at_stretches(p, n, stretch) : 0, found = 0;

	for (const struct stretch *best; found < most && (best = shortest(stretch, stretches, gone)); found++) {
		insert(out, found, (struct change){ .at = best->cut, .score = best->score });
		for (size_t i = 0, cut = best->cut; i < stretches; i++)
			gone[i] |= stretch[i].from < cut && cut < stretch[i].from + stretch[i].n;
	}
	for (size_t i = 0; i < found; i++) {
		size_t from = i ? out[i - 1].at : 0, to = i + 1 < found ? out[i + 1].at : n;

		out[i].before = level_of(p + from, out[i].at - from);
		out[i].after = level_of(p + out[i].at, to - out[i].at);
	}
	return found;
}
