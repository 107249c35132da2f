/* tracks.h - the numbers of every metric over one set of steps; mergeable, independent of order.
 *
 * Ownership  a zeroed struct is empty; tracks_free releases. A metric costs memory once it occurs. */
#ifndef RWKVMON_ANALYZE_TRACKS_H
#define RWKVMON_ANALYZE_TRACKS_H

#include "analyze/findings.h"
#include "record/record.h"
#include "stats/counts.h"
#include "stats/moments.h"
#include "stats/sketch.h"

/* Quantiles are exact while the values are decimals that fit the table; after that, all of them are in the sketch. */
struct track {
	struct moments moments;
	struct counts counts; /* of values times the metric's scale */
	struct sketch sketch; /* of 1 - value for similarities */
	bool spilled;	      /* from counts into the sketch */
};

struct tracks {
	uint64_t records;
	uint64_t nonfinite[METRIC_COUNT];
	struct track *metric[METRIC_COUNT]; /* NULL: never seen */
	bool failed;
};

/* [hot] One step. */
void tracks_add(struct tracks *t, const struct record *rec);

/* [hot] Values of one metric, n = 1..RANGE_MOST: decimals, times the metric's scale and less than 2^51 in size, whose range
 * is r; or others (moments_part tells them apart). The steps they are of are for the caller to count. */
void tracks_add_decimals(struct tracks *t, enum metric_id m, const int64_t *v, size_t n, const struct range *r);
void tracks_add_others(struct tracks *t, enum metric_id m, const double *v, size_t n, const struct real_range *r);
void tracks_merge(struct tracks *into, const struct tracks *from);
bool tracks_failed(const struct tracks *t);
void tracks_summary(const struct tracks *t, enum metric_id m, struct summary *out);
void tracks_summaries(const struct tracks *t, struct summary out[METRIC_COUNT]);
void tracks_histogram(const struct tracks *t, enum metric_id m, struct histogram *out);

/* The values of a metric in runs, as sketch_walk gives them, in no order. */
void tracks_walk(const struct tracks *t, enum metric_id m, sketch_visit *visit, void *ctx);
void tracks_free(struct tracks *t);

#endif
