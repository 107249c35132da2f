/* first_bad.h - the earliest step at which something went wrong.
 *
 * Earlier is a total order (time, position, sequence, kind), so that it depends on the steps alone.
 */
#ifndef RWKVMON_ANALYZE_FIRST_BAD_H
#define RWKVMON_ANALYZE_FIRST_BAD_H

#include "analyze/findings.h"
#include "record/columns.h"

/* rec is a step at which `type` was seen; token: of the sequence, from 1, where it began (0: at that step). */
void first_bad_note(struct first_bad *f, enum alarm_type type, const struct record *rec, uint64_t token);
void first_bad_merge(struct first_bad *into, const struct first_bad *from);

/* [hot] Are logits infinite although entropy is finite? Then they are -inf: tokens that were banned. */
bool bans_at(const struct columns *c, size_t row);
/* [hot] Does the step say that the model put out NaN or Inf: by a count of them, or in a metric of its output? */
bool nonfinite_at(const struct columns *c, size_t row);
/* A row without any of these metrics, and without any that is nonfinite, is neither. */
static const uint64_t nonfinite_metrics = UINT64_C(1) << M_NONFINITE_LOGITS | UINT64_C(1) << M_NAN_LOGITS |
					  UINT64_C(1) << M_INF_LOGITS | UINT64_C(1) << M_NONFINITE_STATE |
					  UINT64_C(1) << M_NAN_STATE | UINT64_C(1) << M_INF_STATE;
/* Notes such a step. */
void first_bad_nonfinite(struct first_bad *f, const struct columns *c, size_t row, const struct record *rec);

/* Is it a type from which a sequence does not recover by itself? Only those count as a first bad step. */
bool first_bad_counts(enum alarm_type type);

#endif
