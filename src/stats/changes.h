/* changes.h - where the level of a series jumps.
 *
 * Stretches of every length, each overlapping the next, are cut where two levels fit them
 * best. A cut counts when two levels fit better than a straight line (a drift is no jump),
 * when the jump is as large as the series' own jitter, and when it is many times the error
 * of the two levels (related neighbours counted as in trend.h). Of all cuts that count, the
 * one of the shortest stretch is taken, stretches across it are forgotten, and so on.
 *
 * Ownership  plain values.
 * Cost       O(n log n): 0.1 ms for 512 points.
 */
#ifndef RWKVMON_STATS_CHANGES_H
#define RWKVMON_STATS_CHANGES_H

#include "stats/trend.h"

struct change {
	size_t at;	      /* the first point of the new level */
	double before, after; /* weighted means between this and the neighbouring changes */
	double score;	      /* size of the jump in errors of it, as of a normal distribution */
};

/* Points as in trend.h, at most TREND_MAX. At most `most` changes in order; their number. */
size_t changes_find(const struct trend_point *p, size_t n, struct change *out, size_t most);

#endif
