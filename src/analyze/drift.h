/* drift.h - how far a session's states moved away from the start of their sequences: the first, last and largest
 * sample.
 *
 * First and last are by time, then by sequence, position and value; of equal largest ones, the earliest is kept. So all
 * depend only on the steps.
 */
#ifndef RWKVMON_ANALYZE_DRIFT_H
#define RWKVMON_ANALYZE_DRIFT_H

#include "analyze/findings.h"
#include "record/record.h"

void drift_add(struct drift *d, const struct record *rec); /* [hot] does nothing for steps without one */
void drift_merge(struct drift *into, const struct drift *from);

#endif
