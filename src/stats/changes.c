/* changes.c - binary segmentation: finds the best cut of a stretch, then of the parts on either side. */
#include "stats/changes.h"

#include "stats/noise.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* How large a jump must remain beside a fitted line, in errors, depending on how clear the line is: the steeper a
 * drift, the more stretches of it look like two levels by chance. */
static double beside_line(double line)
{
	return fmin(2 + fabs(line) / 15, 3.5);
}

/* The score that a jump must reach, and by how much its square must exceed that of a line's slope. Found by simulation:
 * of series without a jump, with noise whose memory is up to a tenth of their length, about 1 in 100 gets a certain
 * jump. */
struct strictness {
	double score, better_than_line;
};

static const struct strictness suspected = { 4, 2 }, certain = { 4.8, 5 };

enum { SIDE_LEAST = 8, SIDES_OF_ALL = 32, STRETCHES_MAX = 1024 };

/* Minimum number of points of a level: 1/32 of all, so that a slow swing is not cut into pieces. */
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

/* The effective number of points of equal weight. */
static double worth(const struct trend_point *p, size_t n)
{
	double weight = 0, squares = 0;

	for (size_t i = 0; i < n; i++) {
		weight += p[i].weight;
		squares += p[i].weight * p[i].weight;
	}
	return weight * weight / squares;
}

/* The cut in least..most with the smallest remaining square deviation, which is the one with the largest w1 w2 / w (m1
 * - m2)^2. 0: none. */
static size_t best_cut(const struct trend_point *p, size_t n, size_t least, size_t most)
{
	double mean = level_of(p, n), all = 0, weight = 0, sum = 0, best = 0;
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		all += p[i].weight;
	for (size_t i = 0; i < n && i < most; i++) {
		weight += p[i].weight;
		sum += p[i].weight * (p[i].value - mean);
		if (i + 1 < least || sum * sum <= best * weight * (all - weight))
			continue;
		best = sum * sum / (weight * (all - weight));
		at = i + 1;
	}
	return at;
}

/* The slope of a line through the points, divided by its error. */
static double line_score(const struct trend_point *p, size_t n, const struct noise *noise)
{
	double share[TREND_MAX], weight = 0, t = 0, tt = 0, slope = 0;

	for (size_t i = 0; i < n; i++) {
		weight += p[i].weight;
		t += p[i].weight * p[i].t;
	}
	t /= weight;
	for (size_t i = 0; i < n; i++)
		tt += p[i].weight * (p[i].t - t) * (p[i].t - t);
	for (size_t i = 0; i < n; i++) {
		share[i] = p[i].weight * (p[i].t - t) / tt;
		slope += share[i] * p[i].value;
	}
	return slope / sqrt(noise_of_contrast(noise, share, n));
}

/* The jump after `at` points that remains beside a fitted line, divided by its error. */
static double beside_a_line(const struct trend_point *p, size_t n, size_t at, const struct noise *noise)
{
	double share[TREND_MAX], weight = 0, t = 0, tt = 0, up = 0, upt = 0, square = 0, jump = 0;

	for (size_t i = 0; i < n; i++) {
		weight += p[i].weight;
		t += p[i].weight * p[i].t;
		up += i < at ? 0 : p[i].weight;
	}
	t /= weight;
	for (size_t i = 0; i < n; i++) {
		tt += p[i].weight * (p[i].t - t) * (p[i].t - t);
		upt += i < at ? 0 : p[i].weight * (p[i].t - t);
	}
	for (size_t i = 0; i < n; i++) {
		double rest = (i < at ? 0 : 1) - up / weight - upt / tt * (p[i].t - t);

		share[i] = p[i].weight * rest;
		square += share[i] * rest;
	}
	for (size_t i = 0; i < n; i++) {
		share[i] /= square;
		jump += share[i] * p[i].value;
	}
	return jump / sqrt(noise_of_contrast(noise, share, n));
}

/* How clear a jump after `at` points is; 0 when a line fits as well or the jump is smaller than the jitter. */
static double score_of(const struct trend_point *p, size_t n, size_t at, const struct noise *noise,
		       const struct strictness *how)
{
	double before = level_of(p, at), after = level_of(p + at, n - at), jump = after - before;
	double neighbours = noise->fresh + noise->swing * (1 - noise->keep), score, line;

	if (fabs(jump) < sqrt(neighbours))
		return 0;
	score = fabs(jump) / sqrt(noise_of_step(noise, worth(p, at), worth(p + at, n - at)));
	if (score < how->score)
		return 0;
	line = line_score(p, n, noise);
	return score * score - line * line < how->better_than_line ? 0 : score;
}

struct stretch {
	size_t from, n, cut; /* cut counts from the first point of all */
	double score;
};

/* Examines stretches of n, n/sqrt 2, n/2, … points, each starting a quarter of its length after the previous one; keeps
 * those with a valid cut. */
static size_t look_at_stretches(const struct trend_point *p, size_t n, const struct noise *noise,
				const struct strictness *how, struct stretch *out)
{
	size_t side = side_of(n), found = 0;

	for (double length = (double)n; (size_t)length >= 2 * side && length >= 2; length /= sqrt(2)) {
		size_t own = (size_t)length;

		for (size_t from = 0; from + own <= n && found < STRETCHES_MAX; from += own / 4) {
			size_t cut = best_cut(p + from, own, side, own - side);
			double score = cut ? score_of(p + from, own, cut, noise, how) : 0;

			if (score > 0)
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

/* Selects the cuts that are valid for that noise: the one of the shortest stretch; then the same among stretches that
 * it does not cut, and so on. */
static size_t pick(const struct trend_point *p, size_t n, const struct noise *noise, const struct strictness *how,
		   struct change *out, size_t most)
{
	struct stretch stretch[STRETCHES_MAX];
	bool gone[STRETCHES_MAX] = { false };
	size_t stretches = look_at_stretches(p, n, noise, how, stretch), found = 0;

	for (const struct stretch *best; found < most && (best = shortest(stretch, stretches, gone)); found++) {
		insert(out, found, (struct change){ .at = best->cut, .score = best->score });
		for (size_t i = 0, cut = best->cut; i < stretches; i++)
			gone[i] |= stretch[i].from < cut + 2 && cut < stretch[i].from + stretch[i].n + 2;
	}
	return found;
}

/* A stretch that ends soon after a jump could not be cut there: the cut is placed again, using all points up to the
 * neighbouring jumps. */
static void place(const struct trend_point *p, size_t n, struct change *c, size_t found)
{
	size_t near = side_of(n);

	for (size_t i = 0; i < found; i++) {
		size_t from = i ? c[i - 1].at : 0, to = i + 1 < found ? c[i + 1].at : n, own = c[i].at - from;
		size_t cut = best_cut(p + from, to - from, own > near ? own - near : 1,
				      own + near < to - from ? own + near : to - from - 1);

		c[i].at = cut ? from + cut : c[i].at;
	}
}

/* Between its neighbours, each jump must be clearer than a line: the least clear of the others is removed,
 * repeatedly. */
static size_t drop_drifts(const struct trend_point *p, size_t n, const struct noise *noise, struct change *c,
			  size_t found)
{
	while (found) {
		double least = 0;
		size_t at = found;

		for (size_t i = 0; i < found; i++) {
			size_t from = i ? c[i - 1].at : 0, to = i + 1 < found ? c[i + 1].at : n, own = c[i].at - from;
			double up = level_of(p + c[i].at, to - c[i].at) - level_of(p + from, own);
			double left = beside_a_line(p + from, to - from, own, noise) * (up < 0 ? -1 : 1) -
				      beside_line(line_score(p + from, to - from, noise));

			if (left < least) {
				least = left;
				at = i;
			}
		}
		if (at == found)
			break;
		memmove(c + at, c + at + 1, (--found - at) * sizeof *c);
	}
	return found;
}

/* Keeps the clearest jumps. */
static size_t keep_clearest(struct change *c, size_t found, size_t most)
{
	while (found > most) {
		size_t least = 0;

		for (size_t i = 1; i < found; i++)
			least = c[i].score < c[least].score ? i : least;
		memmove(c + least, c + least + 1, (--found - least) * sizeof *c);
	}
	return found;
}

/* Adds the rounding error, which the noise estimate does not see: what a value's last digits may hide. */
static void add_rounding(struct noise *noise, const struct trend_point *p, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs(p[i].value));
	noise->fresh += most * most * 1e-18;
}

/* Finds jumps, with the noise measured between the possible cuts. */
static size_t find(const struct trend_point *p, size_t n, const struct strictness *how, struct trend_cuts *cuts,
		   struct change *out)
{
	struct noise noise = noise_of(p, n, cuts);
	size_t found;

	add_rounding(&noise, p, n);
	found = pick(p, n, &noise, how, out, NOISE_CUTS_MAX);
	place(p, n, out, found);
	if (how == &certain)
		found = drop_drifts(p, n, &noise, out, found);
	cuts->n = found;
	for (size_t i = 0; i < found; i++)
		cuts->at[i] = out[i].at;
	return found;
}

size_t changes_find(const struct trend_point *p, size_t n, struct change *out, size_t most)
{
	struct trend_point smooth[TREND_MAX];
	struct change all[NOISE_CUTS_MAX];
	struct trend_cuts cuts = { .n = 0 };
	size_t found;

	if (n < 2 * SIDE_LEAST || n > TREND_MAX)
		return 0;
	memcpy(smooth, p, n * sizeof *p);
	noise_smooth_spikes(smooth, n);
	if (!find(smooth, n, &suspected, &cuts, all))
		return 0; /* no suspected jumps, so no certain ones */
	found = keep_clearest(all, find(smooth, n, &certain, &cuts, all), most);
	for (size_t i = 0; i < found; i++) {
		size_t from = i ? all[i - 1].at : 0, to = i + 1 < found ? all[i + 1].at : n;

		out[i] = all[i];
		out[i].before = level_of(p + from, out[i].at - from);
		out[i].after = level_of(p + out[i].at, to - out[i].at);
	}
	return found;
}
