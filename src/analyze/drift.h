/* drift.h - how far a session's states turned away from those their sequences began with: first seen, last, and most.
 *
 * First and last go by time, then by sequence, position and value; of equal ones the earliest is the most. So all
 * depend on the steps alone.
 */
#ifndef RWKVMON_ANALYZE_DRIFT_H
#define RWKVMON_ANALYZE_DRIFT_H

#include "analyze/findings.h"
#include "record/record.h"

void drift_add(struct drift *d, const struct record *rec); /* [hot] does nothing for steps without one */
void drift_merge(struct drift *into, const struct drift *from);

#endif
