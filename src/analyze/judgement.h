/* judgement.h - the single verdict on a log, with one named cause, that every report, page and program shows.
 *
 * Live alarms, violated rules, loops, levels, times, collapse and missing records are evidence for the diagnosis; its
 * cause decides whether the log is healthy, and the most severe of cause, alarms and rules how severe it is otherwise.
 *
 * Ownership  borrows texts of the findings.
 * Threads    a pure function of its arguments.
 */
#ifndef RWKVMON_ANALYZE_JUDGEMENT_H
#define RWKVMON_ANALYZE_JUDGEMENT_H

#include "analyze/diagnose.h"
#include "analyze/findings.h"

struct judgement {
	enum verdict verdict;
	struct diagnosis diagnosis;
	const char *instance; /* whose; "" unknown, or more than one */
};

extern const char *const verdict_ids[VERDICT_COUNT]; /* "healthy", "not_enough_data", "attention", "critical" */

/* False when memory is out, and *out says nothing. */
bool judge_findings(struct judgement *out, const struct findings *f, const struct diagnose_options *opts);

#endif
