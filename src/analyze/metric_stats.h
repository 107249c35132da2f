/* metric_stats.h - the statistics of every metric over one set of steps; mergeable, independent of order.
 *
 * Ownership  a zeroed struct is empty; metric_stats_free releases. A metric costs memory once it occurs. */
#ifndef RWKVMON_ANALYZE_METRIC_STATS_H
#define RWKVMON_ANALYZE_METRIC_STATS_H

#include "analyze/findings.h"
#include "record/columns.h"
#include "stats/counts.h"
#include "stats/moments.h"
#include "stats/sketch.h"
#include "stats/sketch_text.h"

enum { METRIC_FEW = 32 };

/* Quantiles are exact while the values are decimals that fit the table; after that, all of them are in the sketch. The
 * first few decimals are only stored, and counted when needed. */
struct metric_stat {
	struct moments moments;
	int64_t *few; /* (n_few), while nothing is counted yet */
	size_t n_few;
	struct counts counts; /* of values times the metric's scale */
	struct sketch sketch; /* of 1 - value for similarities */
	bool spilled;         /* from counts into the sketch */
};

struct metric_stats {
	uint64_t records;
	uint64_t nonfinite[METRIC_COUNT];
	struct metric_stat *metric[METRIC_COUNT]; /* NULL: never seen */
	bool failed;
};

/* [hot] One step. */
void metric_stats_add(struct metric_stats *t, const struct record *rec);

/* [hot] Values of one metric, n = 1..RANGE_MOST: decimals, times the metric's scale and less than 2^51 in size, whose
 * range is r; or others (moments_part tells them apart). The steps they are of are for the caller to count. */
void metric_stats_add_decimals(struct metric_stats *t, enum metric_id m, const int64_t *v, size_t n,
			       const struct range *r);
void metric_stats_add_others(struct metric_stats *t, enum metric_id m, const double *v, size_t n,
			     const struct real_range *r);
/* [hot] To be called before decimals are added, so that their table is in the caches then. */
void metric_stats_fetch(const struct metric_stats *t, enum metric_id m);
void metric_stats_merge(struct metric_stats *into, const struct metric_stats *from);
bool metric_stats_failed(const struct metric_stats *t);
void metric_stats_summary(const struct metric_stats *t, enum metric_id m, struct summary *out);
void metric_stats_summaries(const struct metric_stats *t, struct summary out[METRIC_COUNT]);
void metric_stats_histogram(const struct metric_stats *t, enum metric_id m, struct histogram *out);

/* [hot] All metrics of n consecutive rows of steps, n <= RANGE_MOST; any: the metrics that at least one of them has. */
void metric_stats_add_rows(struct metric_stats *t, const struct columns *c, size_t from, size_t n, uint64_t any);

/* One metric over some steps, as it travels: the values themselves are in a sketch beside it, of 1 - value for
 * similarities. */
struct metric_part {
	uint64_t count;
	double sum, min, max;
};

/* Adds the values to *values, which the caller frees. False: no memory. */
bool metric_stats_part(const struct metric_stats *t, enum metric_id m, struct metric_part *out, struct sketch *values);

/* [hot] Adds such a part; standard deviations are then as good as the runs of its values. Without runs, count, mean and
 * extremes alone are known of it. The steps are for the caller to count. */
void metric_stats_take(struct metric_stats *t, enum metric_id m, const struct metric_part *part,
		       const struct sketch_run *run, size_t n);

/* The values of a metric in runs, as sketch_walk gives them, in no order. */
void metric_stats_walk(const struct metric_stats *t, enum metric_id m, sketch_visit *visit, void *ctx);
void metric_stats_free(struct metric_stats *t);

#endif
