/* student.c - Student's t by the incomplete beta function, and its inverse by Newton's method. */
#include "stats/student.h"

#include <math.h>

static const double NORMAL_FROM = 1e6; /* degrees of freedom */

/* What keeps a denominator of the fraction from being 0. */
static double nonzero(double x)
{
	return fabs(x) < 1e-300 ? 1e-300 : x;
}

/* The continued fraction of the incomplete beta function, by Lentz's method; converges for x < (a + 1) / (a + b + 2)
 * within some sqrt(max(a, b)) terms. */
static double beta_fraction(double a, double b, double x)
{
	double c = 1, d = 1 / nonzero(1 - (a + b) * x / (a + 1)), h = d, change = 0;

	for (int i = 1; i < 10000 && fabs(change - 1) > 1e-14; i++) {
		double m = i, even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));

		d = 1 / nonzero(1 + even * d);
		c = nonzero(1 + even / c);
		h *= d * c;
		d = 1 / nonzero(1 + odd * d);
		c = nonzero(1 + odd / c);
		change = d * c;
		h *= change;
	}
	return h;
}

/* I_x(a, b), and what is left of it up to 1; `rest` is 1 - x, which may be too small to be told from it. */
static double incomplete_beta(double a, double b, double x, double rest)
{
	double front;

	if (x <= 0 || rest <= 0)
		return x <= 0 ? 0 : 1;
	front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(rest));
	if (x < (a + 1) / (a + b + 2))
		return front * beta_fraction(a, b, x) / a;
	return 1 - front * beta_fraction(b, a, rest) / b;
}

double student_chance(double t, double freedom)
{
	if (freedom >= NORMAL_FROM || isnan(t))
		return erfc(fabs(t) / sqrt(2));
	return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t), t * t / (freedom + t * t));
}

static double density(double t, double freedom)
{
	if (freedom >= NORMAL_FROM)
		return exp(-t * t / 2) / sqrt(2 * M_PI);
	return exp(lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - (freedom + 1) / 2 * log1p(t * t / freedom)) /
	       sqrt(freedom * M_PI);
}

/* The chance is a convex function of t: once below the solution, Newton's steps approach it from there. */
double student_reach(double chance, double freedom)
{
	double t = 1;

	for (int i = 0; i < 200; i++) {
		double next = t + (student_chance(t, freedom) - chance) / (2 * density(t, freedom));

		next = next > 0 ? next : t / 2;
		if (fabs(next - t) <= 1e-12 * t)
			return next;
		t = next;
	}
	return t;
}
