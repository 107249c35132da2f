/* trend.c - weighted least squares, with the error widened by the deviations' correlation. */
#include "stats/trend.h"

#include "stats/noise.h"
#include "stats/student.h"

#include <math.h>
#include <stdbool.h>

struct trend_rest trend_rest(const struct trend_point *p, const double *e, size_t n)
{
	double square = 0, weight = 0, apart = 0, together = 0, r;

	for (size_t i = 0; i < n; i++) {
		weight += p[i].weight;
		square += p[i].weight * e[i] * e[i];
		apart += e[i] * e[i];
		together += i ? e[i] * e[i - 1] : 0;
	}
	r = apart > 0 ? fmax(together / apart, 0) : 0;
	r = fmin(r + (1 + 4 * r) / (double)n, 0.95);
	return (struct trend_rest){ square / weight, (double)n * (1 - r) / (1 + r) };
}

struct means {
	double weight, t, value;
};

static struct means means_of(const struct trend_point *p, size_t n)
{
	struct means m = { .weight = 0 };

	for (size_t i = 0; i < n; i++)
		m.weight += p[i].weight;
	for (size_t i = 0; i < n; i++) {
		m.t += p[i].weight / m.weight * p[i].t;
		m.value += p[i].weight / m.weight * p[i].value;
	}
	return m;
}

/* How far the slope wanders by chance: what the noise between points says, or what the points' distance from the line
 * says when that is more. `middle` and `tt`: weighted mean and mean square of t. */
static double slope_error(struct trend_line *line, const struct trend_point *p, size_t n, double middle, double tt)
{
	static const struct trend_cuts none = { .n = 0 };
	struct noise noise = noise_of(p, n, &none);
	double e[TREND_MAX], weight = 0, noise_says;
	struct trend_rest rest;

	for (size_t i = 0; i < n; i++) {
		e[i] = p[i].value - line->at_start - line->slope * (p[i].t - p[0].t);
		weight += p[i].weight;
	}
	rest = trend_rest(p, e, n);
	for (size_t i = 0; i < n; i++)
		e[i] = p[i].weight * (p[i].t - middle) / (weight * tt);
	noise_says = noise_of_contrast(&noise, e, n);
	line->memory = fmin(noise_memory(&noise), (double)n);
	line->independent = rest.independent;
	if (noise_says * tt * (rest.independent - 2) > rest.square)
		line->independent = 2 + rest.square / (noise_says * tt);
	return sqrt(fmax(noise_says, rest.square / ((rest.independent - 2) * tt)));
}

static void interval(struct trend_line *line, const struct trend_point *p, size_t n, double middle, double tt)
{
	double error = slope_error(line, p, n, middle, tt);

	if (line->independent < TREND_POINTS)
		return;
	error *= student_reach(0.05, line->independent - 2);
	line->low = line->slope - error;
	line->high = line->slope + error;
}

static bool is_constant(const struct trend_point *p, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (p[i].value != p[0].value)
			return false;
	return true;
}

struct trend_line trend_fit(const struct trend_point *p, size_t n)
{
	struct trend_line line = { (double)NAN, (double)NAN, (double)NAN, (double)NAN, 0, 0 };
	struct means m;
	double tt = 0, tv = 0;

	if (n < 3 || n > TREND_MAX)
		return line;
	m = means_of(p, n);
	for (size_t i = 0; i < n; i++) {
		double share = p[i].weight / m.weight, t = p[i].t - m.t;

		tt += share * t * t;
		tv += share * t * (p[i].value - m.value);
	}
	if (!(tt > 0))
		return line;
	if (is_constant(p, n))
		return (struct trend_line){ 0, 0, 0, p[0].value, (double)n, 1 };
	line.slope = tv / tt;
	line.at_start = m.value + line.slope * (p[0].t - m.t);
	interval(&line, p, n, m.t, tt);
	return line;
}
