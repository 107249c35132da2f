/* missing.h - finds which of a session's lines are missing, by their record numbers.
 *
 * A session numbers its lines from 0 (`record`, in memory `ordinal`, one more). Numbers that do not occur between the
 * first and the last one, and are not reported by a `gap` line, are missing. For logs without numbers, the count of
 * session_end is used. The order of lines does not matter; lines before the first existing one, which rotation removed,
 * do not count as missing.
 */
#ifndef RWKVMON_ANALYZE_MISSING_H
#define RWKVMON_ANALYZE_MISSING_H

#include "record/record.h"

#include <stddef.h>

struct missing_track {
	uint64_t numbered;    /* lines with a number; the first line of a session apart, which each file repeats */
	uint64_t first, last; /* of their ordinals */
	uint64_t told;        /* steps that `gap` lines name */
	uint64_t claimed;     /* steps written, as session_end says */
	bool started, ended;
};

void missing_rows(struct missing_track *t, const uint64_t *ordinal, size_t n);
void missing_event(struct missing_track *t, const struct record *rec);
/* `steps` of the session are there. */
uint64_t missing_count(const struct missing_track *t, uint64_t steps);

#endif
