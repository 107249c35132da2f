/* pace.h - how many rows of a session the forecasts and the unusual look at: 50 a second, whatever its speed.
 *
 * What they cost is the same for each value, so that a session of many thousand records a second would take a core of
 * its own; and values that follow each other within milliseconds tell them little more. A look costs PACE_LOOK_MS of
 * the records' time. As much as PACE_STORE_MS is saved up, so that records whose times are whole seconds, as other
 * programs write them, are looked at, too. Which rows are looked at follows from their times alone, in milliseconds, as
 * they stand in a log: live, in replay and in an analysis they are the same.
 */
#ifndef RWKVMON_RULES_PACE_H
#define RWKVMON_RULES_PACE_H

#include "rules/rows.h"

enum { PACE_LOOK_MS = 20, PACE_STORE_MS = 1000 };

/* A zeroed struct has seen no row. */
struct pace {
	int64_t row_ms;   /* of the last row */
	int32_t spent_ms; /* of the store */
};

/* Of the rows at hand: which are looked at. */
struct paced_rows {
	uint64_t bit[(RANGE_MOST + 63) / 64]; /* valid for the rows that there are */
	size_t n;
};

static inline bool pace_looks(struct pace *p, int64_t time_us)
{
	int64_t now_ms = time_us / 1000, passed_ms = now_ms - p->row_ms;

	if (passed_ms > 0)
		p->spent_ms = passed_ms < p->spent_ms ? p->spent_ms - (int32_t)passed_ms : 0;
	p->row_ms = now_ms; /* a clock may have been set back */
	if (p->spent_ms + PACE_LOOK_MS > PACE_STORE_MS)
		return false;
	p->spent_ms += PACE_LOOK_MS;
	return true;
}

/* Takes in the rows, each once. */
static inline void pace_rows(struct pace *p, const struct judged_rows *rows, struct paced_rows *out)
{
	out->n = 0;
	for (size_t row = 0; row < rows->n; row++) {
		uint64_t looks = pace_looks(p, time_at(rows, row));

		if (row % 64 == 0)
			out->bit[row / 64] = 0;
		out->bit[row / 64] |= looks << row % 64;
		out->n += looks;
	}
}

static inline bool paced_rows_have(const struct paced_rows *rows, size_t row)
{
	return rows->bit[row / 64] >> row % 64 & 1;
}

#endif
