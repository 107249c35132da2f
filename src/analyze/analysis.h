/* analysis.h - the inside of an analysis, shared by analyze.c (which fills it) and finish.c (which reads it out).
 *
 * Steps come in batches, sorted by session (batch.h), and pass two stations. Each new accumulator belongs into exactly
 * one of them:
 *
 *   analyze_place   in the order of the log, on one thread at a time whatever the number of threads: which session it
 *                   is, counts, rules, all that depends on what came before. Costs the whole program its time, so it is
 *                   short: no arithmetic over all metrics.
 *   gather_add      numbers.h: any order, any thread, merged exactly afterwards. The dear work belongs here.
 *
 * The findings are the same to the bit for any number of threads and any split of the input into files. */
#ifndef RWKVMON_ANALYZE_ANALYSIS_H
#define RWKVMON_ANALYZE_ANALYSIS_H

#include "analyze/analyze.h"
#include "analyze/ledger.h"
#include "analyze/limits.h"
#include "analyze/numbers.h"
#include "analyze/sessions.h"

enum { SERIES_OWNERS_MAX = 2 * FINDINGS_CHARTED_SESSIONS };

struct analysis {
	struct analyze_options opts; /* session points to own_session */
	char *own_session;
	struct sessions sessions;
	struct gather gather; /* the numbers; those of other threads are merged into it */
	struct session *owner[SERIES_OWNERS_MAX]; /* sessions with a series */
	size_t n_owners;
	uint64_t losses; /* of series */

	int64_t from_us, to_us;
	uint64_t records, tokens;
	uint64_t violating, by_type[ALARM_TYPE_COUNT];
	const char *const *summary[ALARM_TYPE_COUNT]; /* [LANG_COUNT], the rule set's; NULL: none was broken */
	const char *const *advice[ALARM_TYPE_COUNT];
	struct events events;
	struct limits limits; /* that judged a step */
	struct jitter_sum jitter[PHASE_COUNT];
	uint64_t live_alarms[ALARM_TYPE_COUNT];
	uint64_t dropped;
	struct ledger_book *ledger; /* NULL unless asked for */
	bool failed;
};

/* From the earliest to the latest; `first`: there was none. */
static inline void widen_span(int64_t *from_us, int64_t *to_us, bool first, int64_t time_us)
{
	*from_us = first || time_us < *from_us ? time_us : *from_us;
	*to_us = first || time_us > *to_us ? time_us : *to_us;
}

#endif
