/* analysis.h - the inside of an analysis, shared by analyze.c (which fills it) and finish.c (which reads it out). */
#ifndef RWKVMON_ANALYZE_ANALYSIS_H
#define RWKVMON_ANALYZE_ANALYSIS_H

#include "analyze/analyze.h"
#include "analyze/ledger.h"
#include "analyze/sessions.h"

enum { SERIES_OWNERS_MAX = 2 * FINDINGS_CHARTED_SESSIONS };

struct analysis {
	struct analyze_options opts; /* session points to own_session */
	char *own_session;
	struct sessions sessions;
	struct tracks *others[PHASE_COUNT]; /* steps of sessions that are not listed */
	struct buckets others_series;	    /* of sessions without a series of their own */
	struct session *owner[SERIES_OWNERS_MAX]; /* sessions with a series */
	size_t n_owners;

	int64_t from_us, to_us;
	uint64_t records, tokens;
	uint64_t violating, by_type[ALARM_TYPE_COUNT];
	const char *const *summary[ALARM_TYPE_COUNT]; /* [LANG_COUNT], the rule set's; NULL: none was broken */
	const char *const *advice[ALARM_TYPE_COUNT];
	struct events events;
	uint64_t live_alarms[ALARM_TYPE_COUNT];
	uint64_t dropped;
	struct ledger_book *ledger; /* NULL unless asked for */
	bool failed;
};

#endif
