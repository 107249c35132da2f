/* foretell.h - extrapolates a value over time by a robust line through, for example, the last half minute.
 *
 * The values of each stretch of time become one point, their mean; the line is fitted again when a stretch ends, and
 * there is no result before the points span most of the requested time. A single step of the level, anywhere in that
 * time, does not count as a slope.
 *
 * Ownership  plain values; constant memory.
 * Cost       a value O(1); every 1/FORETELL_POINTS of the time a look at all pairs of points (0.1 us), and some 5 us
 * for the line where that does not rule a limit out.
 */
#ifndef RWKVMON_FORECAST_FORETELL_H
#define RWKVMON_FORECAST_FORETELL_H

#include "forecast/models.h"

#include <stdbool.h>
#include <stdint.h>

enum { FORETELL_POINTS = 16 };

struct foretell {
	int64_t over_us;                               /* set by the owner; the rest starts zeroed */
	int64_t start_us;                              /* of the present stretch: its first value */
	double sum, sum_s;                             /* of its values; of their times after start */
	size_t n;                                      /* of its values */
	double t[FORETELL_POINTS], y[FORETELL_POINTS]; /* (n_points) seconds after origin_us, the oldest first */
	size_t n_points;
	int64_t origin_us;
	unsigned earlier;  /* values in a row whose times are earlier by more than a stretch … */
	int64_t behind_us; /* … and by how much the first of them is */
	bool told;         /* the points span enough for a line */
	bool drawn;        /* `line` is of these points */
	struct forecast_line line;
};

/* Takes the value in; finite. A time before the first one of the stretch at hand counts as that one. A clock that is
 * earlier by more than a stretch goes on from there; after eight values in a row it is the clock of all points, and the
 * stretch's end is told by it. */
void foretell_add(struct foretell *f, int64_t time_us, double value);

/* When the stretch at hand ends: the next value from then on may draw another line. INT64_MIN: none is at hand. */
int64_t foretell_end_us(const struct foretell *f);

/* What it will be `within_us` after that time, if it goes on like this; NAN: not known yet. */
double foretell_at(struct foretell *f, int64_t time_us, int64_t within_us);

/* Can the prediction be above or below these limits (NAN: no such limit)? False is certain and needs no line: fewer
 * than half of the pairs of points are as steep as the line would have to be. */
bool foretell_may_cross(const struct foretell *f, int64_t time_us, int64_t within_us, double above, double below);

#endif
