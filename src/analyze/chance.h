/* chance.h - which findings of single logs count where many are judged.
 *
 * What one log shows of itself, such as a slow first call or prompts whose lengths fit each other, a healthy one shows
 * now and then, too. Of a thousand healthy instances some do. So each such finding carries its chance: how often a
 * healthy log of that length shows as much. Of n instances a finding counts where its chance stays below the bar, which
 * is `false_fleets` / n for one that has it alone and k times that for k of them (Benjamini and Hochberg, 1995; each
 * answer of the tree by itself, with its share of `false_fleets`): a fault that all share counts like that of one log.
 * Facts (NaN, a leak, an alarm that was raised, full memory, what peers do not have) have no chance and always count.
 *
 * Bounds  chances are too large rather than too small: what is left open makes a finding count later, not earlier.
 */
#ifndef RWKVMON_ANALYZE_CHANCE_H
#define RWKVMON_ANALYZE_CHANCE_H

#include "spec/diagnosis.h"

#include <stdbool.h>
#include <stddef.h>

/* Chance of each answer in one log; 1: it shows nothing of the kind, or a fact. */
struct chances {
	double of[ANSWER_COUNT];
};

/* Does the chance of any answer stay below its bar? */
bool chances_count(const struct chances *c, const double bar[ANSWER_COUNT]);

/* The bar of each answer for n logs that are judged together; scratch: (n). */
void chance_bars(double bar[ANSWER_COUNT], const struct chances *c, size_t n, double *scratch);

/* --- how often a healthy log shows as much ---- */

/* At least n calls, in the mean so many times the median, where `strays` are at least `least` times as long: their
 * number falls with the square of their length or faster. */
double chance_of_strays(double n, double times, double strays, double least);

/* So many levels that come in order. */
double chance_of_order(double levels);

/* What would be so much likelier (a ratio's logarithm, nats) if it were no chance. */
double chance_of_likelihood(double nats);

/* A correlation as strong of n independent pairs. */
double chance_of_correlation(double r, double n);

/* A normal value so many deviations above its mean, or more. */
double chance_beyond(double deviations);

#endif
