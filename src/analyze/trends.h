/* trends.h - where each metric is heading and where its level jumped, from its means over time. */
#ifndef RWKVMON_ANALYZE_TRENDS_H
#define RWKVMON_ANALYZE_TRENDS_H

#include "analyze/findings.h"

/* Of one metric of the series, of the phase that it is kept apart for when there is one.
 * *out is unknown when there are too few buckets. */
void trends_trend(const struct series *s, enum metric_id m, struct trend *out);

/* Fills at most FINDINGS_CHANGES_MAX changes of one metric, by time; their number. */
size_t trends_changes(const struct series *s, enum metric_id m, struct change_point *out);

#endif
