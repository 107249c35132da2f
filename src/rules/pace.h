/* pace.h - how many rows a rule that forecasts or looks for the unusual looks at: 50 a second of a session, whatever
 * its speed, of those that are for the rule: they have its metrics, and are of its phase.
 *
 * What such a rule costs is the same for each value, so that a session of many thousand records a second would take a
 * core of its own; and values that follow each other within milliseconds tell it little more. A look costs PACE_LOOK_US
 * of the records' time. As much as PACE_STORE_US is saved up, so that records whose times are whole seconds, as other
 * programs write them, are looked at, too. Which rows are looked at follows from the rows alone, and from their times
 * in milliseconds, as they stand in a log: live, in replay and in an analysis they are the same, unless many streams
 * share a writer (struct rules_share): then a look costs each of them more while they run.
 */
#ifndef RWKVMON_RULES_PACE_H
#define RWKVMON_RULES_PACE_H

#include "rules/rows.h"

enum { PACE_LOOK_US = 20000, PACE_STORE_US = 1000000 };

/* A time, and the store and a look's cost from then on in which a rule looks at nothing: the end of them is when it may
 * look again, the rest is for a clock that is set back by less than the store. */
struct pace {
	int64_t rests_us; /* PACE_FRESH: it has looked at nothing; else whole milliseconds */
};

#define PACE_FRESH INT64_MIN

/* Times of rows, both included. */
struct row_times {
	int64_t first_us, last_us;
};

/* Of the rows at hand: which are looked at. */
struct paced_rows {
	uint64_t bit[(RANGE_MOST + 63) / 64]; /* valid for the rows that there are */
	size_t n;
};

/* look_us: what a look costs. */
static inline bool pace_rests(const struct pace *p, int64_t time_us, int64_t look_us)
{
	return (uint64_t)time_us - (uint64_t)p->rests_us < (uint64_t)(PACE_STORE_US + look_us);
}

/* Takes in a row that is for the rule: is it looked at? */
static inline bool pace_looks(struct pace *p, int64_t time_us, int64_t look_us)
{
	const int64_t whole_ms = time_us - time_us % 1000, most = look_us > PACE_STORE_US ? look_us : PACE_STORE_US;

	if (pace_rests(p, time_us, look_us))
		return false;
	if (time_us < p->rests_us) /* another clock, by which nothing was saved up */
		p->rests_us = whole_ms - PACE_STORE_US - look_us;
	else if ((uint64_t)time_us - (uint64_t)p->rests_us >= (uint64_t)(PACE_STORE_US + most))
		p->rests_us = whole_ms - PACE_STORE_US - most;
	p->rests_us += look_us;
	return true;
}

static inline bool paced_rows_have(const struct paced_rows *rows, size_t row)
{
	return rows->bit[row / 64] >> row % 64 & 1;
}

#endif
