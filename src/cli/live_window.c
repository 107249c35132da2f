/* live_window.c - a ring of buckets in the log's own time. */
#include "cli/live_window.h"

#include <math.h>
#include <stdlib.h>

void live_window_free(struct live_window *w)
{
	for (int m = 0; m < METRIC_COUNT; m++)
		free(w->cell[m]);
	*w = (struct live_window){ 0 };
}

/* Buckets between the newest and `to` are empty: nothing came then. */
static void advance(struct live_window *w, int64_t to)
{
	int64_t first = to - w->last > LIVE_BUCKETS ? to - LIVE_BUCKETS + 1 : w->last + 1;

	for (int64_t b = first; b <= to; b++)
		for (int m = 0; m < METRIC_COUNT; m++)
			if (w->cell[m])
				w->cell[m][b % LIVE_BUCKETS] = (struct bucket){ 0 };
	w->last = to;
}

static void add(struct bucket *b, double value)
{
	b->min = b->count ? fmin(b->min, value) : value;
	b->max = b->count ? fmax(b->max, value) : value;
	b->count++;
	b->mean += (value - b->mean) / (double)b->count;
}

void live_window_push(struct live_window *w, const struct record *r)
{
	int64_t at = r->time_us / LIVE_WIDTH_US;

	if (r->event != EVENT_INFERENCE_STEP || at <= 0 || at <= w->last - LIVE_BUCKETS)
		return;
	if (!w->last)
		w->first = at;
	if (at > w->last)
		advance(w, at);
	for (int m = 0; m < METRIC_COUNT; m++) {
		if (!record_has(r, (enum metric_id)m))
			continue;
		if (!w->cell[m])
			w->cell[m] = calloc(LIVE_BUCKETS, sizeof *w->cell[m]);
		if (!w->cell[m])
			continue;
		add(&w->cell[m][at % LIVE_BUCKETS], r->metric[m]);
		w->have |= metric_bit((enum metric_id)m);
	}
}

void live_window_series(const struct live_window *w, size_t n, struct arena *arena, struct series *out)
{
	int64_t first, there = w->last - w->first + 1;

	there = there < LIVE_BUCKETS_MIN ? LIVE_BUCKETS_MIN : there;
	n = there < (int64_t)n ? (size_t)there : n;
	first = w->last - (int64_t)n + 1;
	*out = (struct series){ .from_us = first * LIVE_WIDTH_US, .width_us = LIVE_WIDTH_US, .n = w->last ? n : 0 };
	for (int m = 0; m < METRIC_COUNT && w->last; m++) {
		struct bucket *to = w->cell[m] ? arena_alloc(arena, n, sizeof *to) : NULL;

		for (size_t i = 0; to && i < n; i++)
			to[i] = w->cell[m][(first + (int64_t)i) % LIVE_BUCKETS];
		out->metric[m] = to;
	}
}

double live_window_now(const struct live_window *w, enum metric_id m)
{
	for (int64_t b = w->last; w->cell[m] && b > w->last - 30 && b > 0; b--)
		if (w->cell[m][b % LIVE_BUCKETS].count)
			return w->cell[m][b % LIVE_BUCKETS].mean;
	return NAN;
}
