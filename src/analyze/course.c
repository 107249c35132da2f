#include "analyze/course.h"

#include "stats/changes.h"

#include <math.h>

static const double US_PER_HOUR = 3.6e9;

/* The buckets that hold something, by the middle of their time; t in microseconds from the
 * start of the series. Returns their number. */
static size_t points_of(const struct series *s, enum metric_id m, struct trend_point *p)
{
	const struct bucket *row = s->apart[m] ? s->apart[m] : s->metric[m];
	size_t n = 0;

	for (size_t i = 0; row && i < s->n; i++)
		if (row[i].count)
			p[n++] = (struct trend_point){ ((double)i + 0.5) * (double)s->width_us, row[i].mean,
						       (double)row[i].count };
	return n;
}

void course_trend(const struct series *s, enum metric_id m, struct trend *out)
{
	struct trend_point p[FINDINGS_BUCKETS_MAX];
	size_t n = points_of(s, m, p);
	struct trend_line line = trend_fit(p, n);

	*out = (struct trend){ .points = n, .slope_per_hour = line.slope * US_PER_HOUR, .low = line.low * US_PER_HOUR,
			       .high = line.high * US_PER_HOUR, .change = (double)NAN, .start = line.at_start };
	if (n)
		out->change = line.slope * (p[n - 1].t - p[0].t);
	out->significant = line.low > 0 || line.high < 0;
}

size_t course_changes(const struct series *s, enum metric_id m, struct change_point *out)
{
	struct trend_point p[FINDINGS_BUCKETS_MAX];
	struct change change[FINDINGS_CHANGES_MAX];
	size_t n = changes_find(p, points_of(s, m, p), change, FINDINGS_CHANGES_MAX);

	for (size_t i = 0; i < n; i++)
		out[i] = (struct change_point){
			.metric = m,
			.time_us = s->from_us + (int64_t)(p[change[i].at].t - 0.5 * (double)s->width_us),
			.before = change[i].before,
			.after = change[i].after,
			.score = change[i].score,
		};
	return n;
}
