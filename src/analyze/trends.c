/* trends.c - turns series into points and hands them to the line and the change point search of stats/. */
#include "analyze/trends.h"

#include "stats/changes.h"

#include <math.h>
#include <stdlib.h>

static const double US_PER_HOUR = 3.6e9;

/* A 99 % interval is that much wider than one of 95 %. */
static const double SURE = 1.31;

/* Runs of equal buckets from which the time between samples is read. */
enum { HELD_RUNS = 4 };

/* The window of the metric. */
enum { THROUGHPUT_TOKENS = 100 };

static bool is_single(const struct bucket *b)
{
	return b->min == b->max;
}

/* Holds a bucket the last value of one neighbour and the first of the other, and nothing else? Then it says nothing
 * that they do not say. */
static bool is_seam(const struct bucket *before, const struct bucket *b, const struct bucket *after)
{
	return !is_single(b) && is_single(before) && is_single(after) &&
	       ((b->min == before->min && b->max == after->max) || (b->max == before->max && b->min == after->min));
}

/* at (n): the buckets that hold something, except seams. Returns their number. */
static size_t filled(const struct bucket *row, size_t n, uint16_t *at)
{
	size_t all = 0, kept = 0;

	for (size_t i = 0; i < n; i++)
		if (row[i].count)
			at[all++] = (uint16_t)i;
	for (size_t i = 0; i < all; i++)
		if (!i || i + 1 == all || !is_seam(&row[at[kept - 1]], &row[at[i]], &row[at[i + 1]]))
			at[kept++] = at[i];
	return kept;
}

/* Does the bucket only repeat the one value of the bucket before it? */
static bool is_held(const struct bucket *b, const struct bucket *before)
{
	return is_single(b) && is_single(before) && b->min == before->min;
}

static int by_length(const void *a, const void *b)
{
	uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;

	return (x > y) - (x < y);
}

/* For how many buckets a sample of the metric is held until the next one is taken: a short run of equal buckets. The
 * first run and the last may be cut off. 1 where too few runs tell, as of what never changes or jumps once. */
static size_t held_for(const struct bucket *row, const uint16_t *at, size_t n)
{
	uint16_t run[FINDINGS_BUCKETS_MAX];
	size_t runs = 0;

	for (size_t i = 0; i < n; i++)
		if (i && is_held(&row[at[i]], &row[at[i - 1]]))
			run[runs - 1]++;
		else
			run[runs++] = 1;
	if (runs < 2 + HELD_RUNS)
		return 1;
	qsort(run + 1, runs - 2, sizeof *run, by_length);
	return run[1 + (runs - 2) / 10];
}

/* The buckets that hold something, by the middle of their time; t in microseconds from the start of the series. A
 * sample that several buckets repeat counts once. Returns their number. */
static size_t points_of(const struct series *s, enum metric_id m, struct trend_point *p)
{
	const struct bucket *row = s->apart[m] ? s->apart[m] : s->metric[m];
	uint16_t at[FINDINGS_BUCKETS_MAX];
	size_t filled_n = row ? filled(row, s->n, at) : 0, held = held_for(row, at, filled_n), repeated = 0, n = 0;

	for (size_t i = 0; i < filled_n; i++) {
		const struct bucket *b = &row[at[i]];

		repeated = i && is_held(b, &row[at[i - 1]]) ? repeated + 1 : 0;
		if (repeated % held == 0)
			p[n++] = (struct trend_point){ ((double)at[i] + 0.5) * (double)s->width_us, b->mean,
						       (double)b->count };
	}
	return n;
}

void trends_trend(const struct series *s, enum metric_id m, struct trend *out)
{
	struct trend_point p[FINDINGS_BUCKETS_MAX];
	size_t n = points_of(s, m, p);
	struct trend_line line = trend_fit(p, n);

	*out = (struct trend){ .points = n,
			       .slope_per_hour = line.slope * US_PER_HOUR,
			       .low = line.low * US_PER_HOUR,
			       .high = line.high * US_PER_HOUR,
			       .change = (double)NAN,
			       .start = line.at_start,
			       .independent = line.independent,
			       .memory_us = line.memory * (double)s->width_us };
	if (n)
		out->change = line.slope * (p[n - 1].t - p[0].t);
	out->significant = fabs(line.slope) > SURE * (line.high - line.low) / 2;
}

/* A sample that is written into every record until the next one is one value, however many buckets it fills. */
static size_t join_repeated(struct trend_point *p, size_t n)
{
	size_t joined = 0;

	for (size_t i = 0; i < n; i++)
		if (joined && p[joined - 1].value == p[i].value)
			p[joined - 1].weight += p[i].weight;
		else
			p[joined++] = p[i];
	return joined;
}

static size_t changes_of(const struct series *s, enum metric_id m, struct change_point *out)
{
	struct trend_point p[FINDINGS_BUCKETS_MAX];
	struct change change[FINDINGS_CHANGES_MAX];
	size_t points = points_of(s, m, p), n;

	if (metric_specs[m].group == METRIC_RESOURCES && metric_specs[m].better == BETTER_NEITHER)
		points = join_repeated(p, points);
	n = changes_find(p, points, change, FINDINGS_CHANGES_MAX);

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

/* Does token latency change the other way at that time? Throughput lags behind it by its window. */
static bool is_borne_out(const struct change_point *c, const struct change_point *latency, size_t n, int64_t width_us)
{
	for (size_t i = 0; i < n; i++) {
		const double token_us = 1e3 * fmax(latency[i].before, latency[i].after);
		const int64_t lag_us = 2 * width_us + (int64_t)fmin(THROUGHPUT_TOKENS * token_us, 1e12);
		bool against = (latency[i].after > latency[i].before) == (c->after < c->before);

		if (against && c->time_us >= latency[i].time_us - 2 * width_us &&
		    c->time_us <= latency[i].time_us + lag_us)
			return true;
	}
	return false;
}

/* Throughput is a mean over the last 100 tokens, those of prompts included: its points are not independent, and prompts
 * that come and go look like levels. A jump of it counts where the latency of tokens jumps with it. */
size_t trends_changes(const struct series *s, enum metric_id m, struct change_point *out)
{
	struct change_point latency[FINDINGS_CHANGES_MAX];
	size_t n = changes_of(s, m, out), jumps, kept = 0;

	if (m != M_THROUGHPUT_TPS || !n)
		return n;
	jumps = changes_of(s, M_TOKEN_LATENCY_MS, latency);
	for (size_t i = 0; i < n; i++)
		if (is_borne_out(&out[i], latency, jumps, s->width_us))
			out[kept++] = out[i];
	return kept;
}
