/* chance.c - chances of findings, and the bars that they must stay below. */
#include "analyze/chance.h"

#include "base/array.h"

#include <math.h>

/* Those whose tests know chances: each has its share. */
static const enum answer_id by_chance[] = { A_JUMPED,       A_REPEATS, A_COLLAPSES, A_STARTED_SLOWLY,
					    A_PROMPTS_GREW, A_STALLED, A_ALARMED };

enum { BY_CHANCE = sizeof by_chance / sizeof *by_chance };

bool chances_count(const struct chances *c, const double bar[ANSWER_COUNT])
{
	for (size_t i = 0; i < BY_CHANCE; i++)
		if (c->of[by_chance[i]] < bar[by_chance[i]])
			return true;
	return false;
}

static double bar_of(const struct chances *c, size_t n, enum answer_id a, double *scratch)
{
	const double alone = limit_of(T_FALSE_FLEETS) / BY_CHANCE / (double)n;
	size_t found = 0, count = 1;

	for (size_t i = 0; i < n; i++)
		if (c[i].of[a] < 1)
			scratch[found++] = c[i].of[a];
	sort_doubles(scratch, found);
	for (size_t k = 1; k <= found; k++)
		count = scratch[k - 1] < (double)k * alone ? k : count;
	return (double)count * alone;
}

void chance_bars(double bar[ANSWER_COUNT], const struct chances *c, size_t n, double *scratch)
{
	for (int a = 0; a < ANSWER_COUNT; a++)
		bar[a] = 1;
	for (size_t i = 0; i < BY_CHANCE; i++)
		bar[by_chance[i]] = bar_of(c, n, by_chance[i], scratch);
}

/* --- how often a healthy log shows as much ---- */

/* P(at least n) of a Poisson distribution: its terms from n on. */
static double poisson_from(double n, double mean)
{
	double term = exp(n * log(mean) - mean - lgamma(n + 1)), sum = 0;

	for (double k = n + 1; term > 1e-12 * sum; k++) {
		sum += term;
		term *= mean / k;
	}
	return fmin(sum, 1);
}

double chance_of_strays(double n, double times, double strays, double least)
{
	const double mean = (strays + 1) * least * least / (times * times);

	return n < mean ? 1 : poisson_from(n, mean);
}

/* Of the tenths of a log it is asked that nearly all rise, which has the chance of seven in full order. */
double chance_of_order(double levels)
{
	enum { MOST = 7 };

	return 1 / tgamma(floor(fmin(fmax(levels, 1), MOST)) + 1);
}

/* Markov's inequality: by chance, a ratio of likelihoods is 1 in the mean. */
double chance_of_likelihood(double nats)
{
	return exp(-fmax(nats, 0));
}

double chance_beyond(double deviations)
{
	return erfc(deviations / sqrt(2)) / 2;
}

/* Fisher's z. */
double chance_of_correlation(double r, double n)
{
	return n > 3 ? chance_beyond(atanh(fabs(r)) * sqrt(n - 3)) : 1;
}
