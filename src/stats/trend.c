#include "stats/trend.h"

#include <math.h>
#include <stdbool.h>

double trend_student95(double freedom)
{
	/* Cornish-Fisher: how far t's quantile lies beyond the normal one, by powers of 1/freedom. */
	static const double z = 1.959963984540054;
	double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z, z9 = z7 * z * z, v = freedom;

	return z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v) +
	       (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * v * v * v) +
	       (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92160 * v * v * v * v);
}

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

/* The interval around a slope whose points spread by `tt` (weighted mean square) in t. */
static void interval(struct trend_line *line, const struct trend_point *p, size_t n, double tt)
{
	double e[TREND_MAX], error;
	struct trend_rest rest;

	for (size_t i = 0; i < n; i++)
		e[i] = p[i].value - line->at_start - line->slope * (p[i].t - p[0].t);
	rest = trend_rest(p, e, n);
	if (rest.independent < TREND_POINTS)
		return;
	error = trend_student95(rest.independent - 2) * sqrt(rest.square / ((rest.independent - 2) * tt));
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
	struct trend_line line = { (double)NAN, (double)NAN, (double)NAN, (double)NAN };
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
		return (struct trend_line){ 0, 0, 0, p[0].value };
	line.slope = tv / tt;
	line.at_start = m.value + line.slope * (p[0].t - m.t);
	interval(&line, p, n, tt);
	return line;
}
