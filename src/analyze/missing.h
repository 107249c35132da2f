/* missing.h - finds which of a session's lines are missing or there twice, by their record numbers.
 *
 * A session numbers its lines from 0 (`record`, in memory `ordinal`, one more). Numbers that do not occur between the
 * first and the last one, and are not reported by a `gap` line, are missing. So are steps that session_end counts, and
 * that are neither there nor reported, if the session's beginning is there. The order of lines does not matter; lines
 * before the first existing one, which rotation removed, do not count as missing.
 *
 * A number that occurs again is a line that is there twice. The first line of a session is repeated in each file, and
 * does not count. Exact while there are at most four holes at a time; of more, the oldest ones are given up, and a line
 * that comes late into one of them counts as there twice.
 */
#ifndef RWKVMON_ANALYZE_MISSING_H
#define RWKVMON_ANALYZE_MISSING_H

#include "record/record.h"

#include <stddef.h>

enum { NUMBER_RANGES = 6 };

struct number_range {
	uint64_t from, to; /* both are there */
};

struct missing_track {
	struct number_range range[NUMBER_RANGES]; /* (n), ascending, none next to another; one place is for work */
	size_t n;
	uint64_t closed;         /* numbers missing in holes that are no longer looked at */
	uint64_t doubled;        /* lines whose number was there before */
	uint64_t doubled_events; /* those of them that are no steps */
	uint64_t told;           /* steps that `gap` lines name */
	uint64_t claimed;        /* steps, written or dropped, as session_end says */
	bool started, ended;
};

void missing_rows(struct missing_track *t, const uint64_t *ordinal, size_t n);
void missing_event(struct missing_track *t, const struct record *rec);
/* `steps` of the session are there, those that are there twice included. */
uint64_t missing_count(const struct missing_track *t, uint64_t steps);

#endif
