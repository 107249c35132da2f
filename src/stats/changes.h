/* changes.h - finds where the level of a series jumps.
 *
 * Stretches of every length, each overlapping the next, are cut where two levels fit them
 * best. A cut is valid if two levels fit better than a straight line (a drift is not a jump), if the jump is as large
 * as the series' own jitter, and if it is many times the error of the two levels, computed from the noise of the whole
 * series (noise.h): the longer the noise is correlated, the farther levels wander. Of all valid cuts, the one of the
 * shortest stretch is taken, stretches across it are discarded, and so on. Single outliers are smoothed first: a rare
 * slow call is not a level.
 *
 * Ownership  plain values.
 * Cost       O(n log n): some 0.3 ms for 512 points.
 */
#ifndef RWKVMON_STATS_CHANGES_H
#define RWKVMON_STATS_CHANGES_H

#include "stats/trend.h"

struct change {
	size_t at;            /* the first point of the new level */
	double before, after; /* weighted means between this and the neighbouring changes */
	double score;         /* size of the jump divided by its error, as for a normal distribution */
};

/* Points as in trend.h, at most TREND_MAX. Finds at most `most` changes, in order; returns their number. */
size_t changes_find(const struct trend_point *p, size_t n, struct change *out, size_t most);

#endif
