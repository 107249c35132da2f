/* tracks.h - the numbers of every metric over one set of steps; mergeable, independent of order.
 *
 * Ownership  a zeroed struct is empty; tracks_free releases. A metric costs memory once it occurs. */
#ifndef RWKVMON_ANALYZE_TRACKS_H
#define RWKVMON_ANALYZE_TRACKS_H

#include "analyze/findings.h"
#include "record/record.h"
#include "stats/moments.h"
#include "stats/sketch.h"

struct track {
	struct moments moments;
	struct sketch sketch; /* of 1 - value for similarities */
};

struct tracks {
	uint64_t records;
	uint64_t nonfinite[METRIC_COUNT];
	struct track *metric[METRIC_COUNT]; /* NULL: never seen */
	bool failed;
};

void tracks_add(struct tracks *t, const struct record *rec);
void tracks_merge(struct tracks *into, const struct tracks *from);
bool tracks_failed(const struct tracks *t);
void tracks_summary(const struct tracks *t, enum metric_id m, struct summary *out);
void tracks_summaries(const struct tracks *t, struct summary out[METRIC_COUNT]);
void tracks_histogram(const struct tracks *t, enum metric_id m, struct histogram *out);

/* The values of a metric in runs, as sketch_walk gives them, in no order. */
void tracks_walk(const struct tracks *t, enum metric_id m, sketch_visit *visit, void *ctx);
void tracks_free(struct tracks *t);

#endif
