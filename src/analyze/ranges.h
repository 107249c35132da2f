/* ranges.h - the ranges of the metrics that all steps of a run have, each computed once for all users.
 *
 * Ownership  plain values.
 */
#ifndef RWKVMON_ANALYZE_RANGES_H
#define RWKVMON_ANALYZE_RANGES_H

#include "analyze/batch.h"
#include "stats/range.h"

struct ranges {
	struct range decimal[METRIC_COUNT];   /* of held.decimals */
	struct real_range real[METRIC_COUNT]; /* of held.doubles */
};

/* [hot] Those of the run; what else is in *out stays. */
void ranges_of(struct ranges *out, const struct columns *c, const struct batch_run *run);

/* [hot] The range of n steps from.., which all have the metric as a double. */
struct real_range ranges_real(const struct columns *c, size_t from, size_t n, enum metric_id m);

#endif
