/* live_window.h - the last ten minutes of every metric, in buckets of two seconds of the log's own time.
 *
 * Ownership  plain memory: live_window_free. Cells of a metric are made with its first value.
 */
#ifndef RWKVMON_CLI_LIVE_WINDOW_H
#define RWKVMON_CLI_LIVE_WINDOW_H

#include "analyze/findings.h"
#include "record/record.h"

enum { LIVE_BUCKETS = 300, LIVE_BUCKETS_MIN = 30, LIVE_WIDTH_US = 2000000 };

struct live_window {
	int64_t first, last;               /* numbers of the oldest (ever) and the newest bucket; 0: none yet */
	struct bucket *cell[METRIC_COUNT]; /* (LIVE_BUCKETS), a ring by bucket number */
	uint64_t have;                     /* bit m: the metric has occurred */
};

void live_window_free(struct live_window *w);
void live_window_push(struct live_window *w, const struct record *r);

/* The newest n buckets as a series in the arena (as many as there are, but at least a minute); metrics that never
 * occurred are NULL. */
void live_window_series(const struct live_window *w, size_t n, struct arena *arena, struct series *out);

/* The newest known mean; NAN: none in the last minute. */
double live_window_now(const struct live_window *w, enum metric_id m);

#endif
