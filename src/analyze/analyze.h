/* analyze.h - turns records into findings, in memory that does not grow with the log.
 *
 * Ownership  analyze_open creates, analyze_close destroys; findings own themselves.
 *            Records are read during the call and never kept. The rule set is borrowed.
 * Threads    an analysis belongs to one thread; others may help it (analyze_helper) with blocks of the log. The
 * findings are then the same to the bit. Bounds     10,000 sessions have their own numbers, all others count in those
 * of their instance; rules keep the state of the 1,024 sessions seen last. Errors     if memory runs out, this is
 * remembered and reported by analyze_finish.
 */
#ifndef RWKVMON_ANALYZE_ANALYZE_H
#define RWKVMON_ANALYZE_ANALYZE_H

#include "analyze/diagnose.h"
#include "analyze/findings.h"
#include "record/columns.h"
#include "rules/rules.h"
#include "spec/input.h"

struct stated_limits; /* analyze/foreseen.h */
struct trained;       /* learn/trained.h */
struct learning;      /* analyze/learning.h */

struct analyze_options {
	const struct ruleset *rules;        /* by which anomalies are judged; NULL: no anomalies */
	const char *session;                /* only steps of this session; NULL: all */
	int64_t since_us, until_us;         /* only steps from..to; 0: no bound */
	struct diagnose_options diagnose;   /* what the user says about machine and goal */
	bool foresee;                       /* also forecast what comes next */
	bool look_for_unusual;              /* also find moments that differ from those before them */
	const struct stated_limits *limits; /* for that, borrowed; NULL: none is stated */
	const struct trained *trained;      /* a trained model that forecasts too, borrowed; NULL: none */
	struct learning *learning;          /* takes each instance's points, to train on; NULL: nobody does */
	bool no_session_series;             /* sessions need no series of their own: faster, smaller */
	size_t series_sessions;             /* the largest ones that have a series; 0: a few, for charts */
	size_t most_sessions;               /* are listed, about 25 KiB each; 0: FINDINGS_SESSIONS_MAX */
	size_t most_rests; /* instances whose other sessions are summed up apart; 0: SESSIONS_RESTS_MAX */
};

struct analysis;

int analyze_open(struct analysis **out, const struct analyze_options *opts, struct err *err);

/* [hot] Adds records of any event; unknown ones are ignored. */
size_t analyze_push_columns(struct analysis *a, const struct columns *c); /* as gathering_sort says */

/* The room in which `from` takes batches, megabytes, goes over to `to`, whose own is freed: for many analyses that take
 * turns on one thread. It holds nothing between two pushes. */
void analyze_hand_over(struct analysis *from, struct analysis *to);

/* And in three steps, for several threads that each have a helper and take turns with blocks
 * of records: gathering_sort, at the same time as others, which says how many rows are best taken at once of a log like
 * this; analyze_in_order, in the order of the log and by one thread
 * at a time; gathering_add, at the same time as others again. The columns stay as they are until then. analyze_take,
 * when all are done, merges and closes the helper. */
struct gathering;
struct gathering *analyze_helper(struct analysis *a, struct err *err); /* NULL: *err says why */
size_t gathering_sort(struct gathering *helper, const struct columns *c);
void analyze_in_order(struct analysis *a, struct gathering *helper);
void gathering_add(struct gathering *helper);
/* Keeps what gathering_sort has sorted for later, or turns back to it: a helper has two places for it, and this changes
 * from one to the other. False: no memory, and nothing has changed. */
bool gathering_park(struct gathering *helper);
size_t gathering_sessions(const struct gathering *helper); /* that it has numbers of: about 5 KiB each */
void analyze_take(struct analysis *a, struct gathering *helper);

/* For the next analyze_finish: only so many sessions (0: all) from this one on, of analyze_sessions. All else stays
 * whole. */
void analyze_page(struct analysis *a, size_t from, size_t most);
size_t analyze_sessions(const struct analysis *a); /* number of sessions that have their own numbers */

/* `input` (texts are copied) may be NULL. The analysis may go on afterwards. *out is empty on error. */
int analyze_finish(const struct analysis *a, const struct input_stats *input, struct findings *out, struct err *err);

void analyze_close(struct analysis *a);

#endif
