/* series_sessions.h - decides which sessions have their own time series.
 *
 * Only complete series are useful: a session gets one with its first step, and if there are too many, the smaller half
 * of them is dropped for good.
 */
#ifndef RWKVMON_ANALYZE_SERIES_SESSIONS_H
#define RWKVMON_ANALYZE_SERIES_SESSIONS_H

#include "analyze/analysis.h"

/* The session has steps: it gets a series if there is room. Sessions are as large as they are at that step: of the part
 * of a batch at hand, that is row `upto` of its log, earlier rows are counted too. b is NULL: they are already. */
void series_sessions_add(struct analysis *a, struct session *s, const struct batch *b, size_t upto);

/* Another thread's numbers follow what has been decided since it was here last. */
void series_sessions_notice(const struct analysis *a, struct gathering *g);

#endif
