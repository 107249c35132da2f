/* analysis.h - internals of an analysis, shared by analyze.c (which fills it) and finish.c (which reads it).
 *
 * Steps come in batches, sorted by session (batch.h), and pass two stations. Each new accumulator belongs into exactly
 * one of them:
 *
 * - analyze_in_order: in the order of the log, on one thread at a time. It finds the session, counts, judges rules, and
 *   does all that depends on earlier steps. Its time limits the whole program, so it is short: no arithmetic over all
 *   metrics.
 * - gathering_add (accumulators.h): in any order, on any thread, merged exactly afterwards. Expensive work belongs
 * here.
 *
 * The findings are bit-identical for any number of threads and any split of the input into files. */
#ifndef RWKVMON_ANALYZE_ANALYSIS_H
#define RWKVMON_ANALYZE_ANALYSIS_H

#include "analyze/accumulators.h"
#include "analyze/actions.h"
#include "analyze/analyze.h"
#include "analyze/limits.h"
#include "analyze/minutes.h"
#include "analyze/sessions.h"
#include "analyze/time_breakdown.h"
#include "record/lineage.h"

enum { SERIES_SESSIONS_MAX = 256, SERIES_SESSIONS = 2 * FINDINGS_CHARTED_SESSIONS /* unless more are asked for */ };

struct analysis {
	size_t sessions_from, sessions_most; /* what analyze_finish takes; most 0: all */
	struct analyze_options opts;         /* session points to own_session */
	char *own_session;
	struct sessions sessions;
	struct gathering gather;                    /* the numbers; those of other threads are merged into it */
	struct session *owner[SERIES_SESSIONS_MAX]; /* sessions with a series */
	size_t n_series_sessions;
	uint64_t losses;        /* of series */
	uint64_t part;          /* of a batch: the serial number of the one at hand */
	struct rule_hits *hits; /* of its rows; NULL: not asked for yet, as the next */
	struct judge_room *room;

	int64_t from_us, to_us;
	uint64_t records, tokens;
	struct session_tally all;                     /* of all sessions, listed or not */
	const char *const *summary[ALARM_TYPE_COUNT]; /* [LANG_COUNT], the rule set's; NULL: none was broken */
	const char *const *advice[ALARM_TYPE_COUNT];
	struct events events;
	struct limits limits;    /* that judged a step */
	bool suits_known;        /* some session's rules have judged a step; … */
	uint64_t suited;         /* … those of the set that were for the vocabulary of one, a bit each */
	uint64_t awaited;        /* types of the set's rules of which none could judge a step yet, a bit each */
	struct learned *learned; /* by the rules, from all sessions in the order of the log; NULL: not asked for yet */
	struct jitter_sum jitter[PHASE_COUNT];
	struct action_counts actions;
	struct time_book *times;
	struct unusual_minutes minutes; /* of roll-ups */
	struct lineage *lineage;        /* of session_starts; NULL: none came yet */
	bool failed;
};

#endif
