/* divergence.c - Kullback-Leibler divergence from logits, in double precision. */
#include "stats/divergence.h"

#include <math.h>

static double log_sum_exp(const float *x, size_t n)
{
	double top = -INFINITY, sum = 0;

	for (size_t i = 0; i < n; i++)
		top = fmax(top, (double)x[i]);
	for (size_t i = 0; i < n; i++)
		sum += exp((double)x[i] - top);
	return top + log(sum);
}

double kl_divergence(const float *full, const float *other, size_t n)
{
	double z_full = log_sum_exp(full, n), z_other = log_sum_exp(other, n), kl = 0;

	if (!isfinite(z_full) || !isfinite(z_other))
		return NAN;
	for (size_t i = 0; i < n; i++) {
		double ln_p = (double)full[i] - z_full;

		kl += exp(ln_p) * (ln_p - ((double)other[i] - z_other));
	}
	return fmax(kl, 0); /* rounding */
}
