/* analyze.h - records in, findings out, in memory that does not grow with the log.
 *
 * Ownership  analyze_open creates, analyze_close destroys; findings own themselves.
 *            Records are read during the call and never kept. The rule set is borrowed.
 * Threads    an analysis belongs to one thread; several may run over parts of the input
 *            and be merged. Numbers then are the same to the bit; anomalies are when no
 *            session is split between them, or no rule of the set uses a window.
 * Bounds     10,000 sessions keep numbers of their own, all others count in the overall
 *            numbers; rules keep the state of the 1,024 sessions seen last.
 * Errors     memory running out is remembered and told by analyze_finish.
 */
#ifndef RWKVMON_ANALYZE_ANALYZE_H
#define RWKVMON_ANALYZE_ANALYZE_H

#include "analyze/findings.h"
#include "record/columns.h"
#include "rules/rules.h"
#include "spec/input.h"

struct analyze_options {
	const struct ruleset *rules; /* judges the anomalies; NULL: none are looked for */
	const char *session;	     /* only steps of this session; NULL: all */
	int64_t since_us, until_us;  /* only steps from..to; 0: no bound */
	bool ledger;		     /* gather what the diagnosis needs */
	bool no_session_series;	     /* sessions need no series of their own: faster, smaller */
};

struct analysis;

int analyze_open(struct analysis **out, const struct analyze_options *opts, struct err *err);

/* [hot] Any event; what is not known is ignored. */
void analyze_push(struct analysis *a, const struct record *rec);

/* The same for many at once and in three steps, for several threads that each have a helper and take turns with blocks of
 * records: gather_sort, at the same time as others; analyze_place, in the order of the log and by one thread at a time;
 * gather_add, at the same time as others again. The columns stay as they are until then. analyze_take, when all are
 * done, merges and closes the helper. */
struct gather;
struct gather *analyze_helper(struct analysis *a, struct err *err); /* NULL: *err says why */
void gather_sort(struct gather *helper, const struct columns *c);
void analyze_place(struct analysis *a, struct gather *helper);
void gather_add(struct gather *helper);
void analyze_take(struct analysis *a, struct gather *helper);

/* Adds what `from` has seen; `from` is closed. Both have the same options. */
void analyze_merge(struct analysis *into, struct analysis *from);

/* `input` (texts are copied) may be NULL. The analysis may go on afterwards. *out is empty on error. */
int analyze_finish(const struct analysis *a, const struct input_stats *input, struct findings *out, struct err *err);

void analyze_close(struct analysis *a);

#endif
