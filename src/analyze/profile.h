/* profile.h - metrics by position in the sequence, to see whether anything changes as sequences grow.
 *
 * Positions are grouped by octaves of sequence_length. Prefill is left out, because its calls cover many positions.
 *
 * Ownership  plain values; a zeroed struct is empty.
 */
#ifndef RWKVMON_ANALYZE_PROFILE_H
#define RWKVMON_ANALYZE_PROFILE_H

#include "analyze/batch.h"
#include "analyze/ranges.h"

enum { PROFILE_METRICS = 7 };

struct profile {
	struct {
		uint64_t count;
		__int128 sum; /* of the values times the metric's scale, rounded and cut to 2^40 */
	} at[PROFILE_METRICS][FINDINGS_OCTAVES];
};

/* [hot] The steps of a run, with their ranges. */
void profile_add(struct profile *p, const struct columns *c, const struct batch_run *run, const struct ranges *ranges);
void profile_merge(struct profile *into, const struct profile *from);

/* Into f->position, for metrics that occur. */
void profile_tell(const struct profile *p, struct findings *f);

#endif
