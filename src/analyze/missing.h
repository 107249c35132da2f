/* missing.h - finds which of a session's lines are missing or there twice, by their record numbers.
 *
 * A session numbers its lines from 0 (`record`, in memory `ordinal`, one more). Numbers that do not occur between the
 * first and the last one, and are not reported by a `gap` line, are missing. So are steps that session_end counts, and
 * that are neither there nor reported, if the session's beginning is there. The order of lines does not matter; lines
 * before the first existing one, which rotation removed, do not count as missing.
 *
 * A number that occurs again is a line that is there twice. The first line of a session is repeated in each file, and
 * does not count.
 */
#ifndef RWKVMON_ANALYZE_MISSING_H
#define RWKVMON_ANALYZE_MISSING_H

#include "analyze/number_set.h"
#include "record/record.h"

struct missing_track {
	struct number_set numbers;
	uint64_t doubled, doubled_steps; /* lines, but no alarms, whose number was there before */
	uint64_t told;                   /* steps that `gap` lines name */
	uint64_t claimed;                /* steps, written or dropped, as session_end says */
	bool started, ended;
};

/* False: a line with that number was there before. */
bool missing_event(struct missing_track *t, const struct record *rec);
void missing_rows(struct missing_track *t, const uint64_t *ordinal, size_t n);
/* `steps` of the session are there, those that are there twice included. */
uint64_t missing_count(const struct missing_track *t, uint64_t steps);
void missing_free(struct missing_track *t);

#endif
