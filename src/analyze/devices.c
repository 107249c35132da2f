/* devices.c - samples of several GPUs, summed by GPU and time. */
#include "analyze/devices.h"

#include "base/array.h"

#include <math.h>
#include <stdlib.h>

static const int64_t FIRST_WIDTH_US = 1000000;

static int64_t index_of(int64_t time_us, int64_t width_us)
{
	return time_us / width_us - (time_us % width_us < 0);
}

/* --- buckets ----------------------------------------------------------------------------- */

static void bucket_join(struct device_bucket *into, const struct device_bucket *from)
{
	for (int v = 0; v < GPU_VALUE_COUNT; v++) {
		into->sum[v] += from->sum[v];
		into->seen[v] += from->seen[v];
	}
}

/* Buckets of twice the width. */
static void coarsen(struct devices *d)
{
	d->width_us *= 2;
	for (size_t i = 0; i < d->n; i++) {
		struct device *g = &d->device[i];
		size_t n = 0;

		for (size_t k = 0; k < g->n; k++) {
			int64_t index = index_of(g->bucket[k].index, 2);

			if (n && g->bucket[n - 1].index == index) {
				bucket_join(&g->bucket[n - 1], &g->bucket[k]);
				continue;
			}
			g->bucket[n] = g->bucket[k];
			g->bucket[n++].index = index;
		}
		g->n = n;
	}
}

/* The bucket of that index, made when it is new; NULL: no memory. Most come in order. */
static struct device_bucket *bucket_of(struct device *g, int64_t index)
{
	size_t at = g->n;

	while (at && g->bucket[at - 1].index > index)
		at--;
	if (at && g->bucket[at - 1].index == index)
		return &g->bucket[at - 1];
	if (!array_grow(&g->bucket, g->n, &g->cap, 8, sizeof *g->bucket))
		return NULL;
	memmove(g->bucket + at + 1, g->bucket + at, (g->n - at) * sizeof *g->bucket);
	g->n++;
	g->bucket[at] = (struct device_bucket){ .index = index };
	return &g->bucket[at];
}

/* --- GPUs ------------------------------------------------------------------------------------ */

/* NULL: there are too many, or no memory. */
static struct device *device_named(struct devices *d, const char *name)
{
	struct device *more;

	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->device[i].name, name))
			return &d->device[i];
	if (d->n == GPUS_MAX)
		return NULL;
	more = realloc(d->device, (d->n + 1) * sizeof *more);
	d->failed |= !more;
	if (!more)
		return NULL;
	d->device = more;
	more = &d->device[d->n++];
	*more = (struct device){ .name = "" };
	memcpy(more->name, name, strlen(name) + 1);
	return more;
}

static void count(struct device *g, struct device_bucket *b, enum gpu_value v, double value)
{
	b->sum[v] += value;
	b->seen[v]++;
	g->min[v] = g->seen[v] ? fmin(g->min[v], value) : value;
	g->max[v] = g->seen[v] ? fmax(g->max[v], value) : value;
	g->sum[v] += value;
	g->seen[v]++;
}

static void add_sample(struct devices *d, int64_t time_us, const struct gpu_sample *s, double idle_pct)
{
	struct device *g = device_named(d, s->device);
	struct device_bucket *b = g ? bucket_of(g, index_of(time_us, d->width_us)) : NULL;
	double use = s->value[GPU_UTILIZATION_PCT];

	d->failed |= g && !b;
	if (!b)
		return;
	g->gpu_used |= use > 0;
	for (int v = 0; v < GPU_VALUE_COUNT; v++)
		if (isfinite(s->value[v]) && !(v == GPU_CLOCK_MHZ && g->gpu_used && use < idle_pct))
			count(g, b, (enum gpu_value)v, s->value[v]);
	while (g->n > DEVICE_BUCKETS_MAX)
		coarsen(d);
}

void devices_add(struct devices *d, const struct record *rec, double idle_pct)
{
	d->width_us = d->width_us ? d->width_us : FIRST_WIDTH_US;
	for (size_t i = 0; i < rec->n_gpus; i++)
		add_sample(d, rec->time_us, &rec->gpu[i], idle_pct);
}

void devices_free(struct devices *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->device[i].bucket);
	free(d->device);
	*d = (struct devices){ .n = 0 };
}

bool devices_finish(struct devices *out, const struct devices *from, struct arena *arena)
{
	*out = *from;
	out->device = from->n ? arena_alloc(arena, from->n, sizeof *out->device) : NULL;
	if (from->n && !out->device)
		return false;
	for (size_t i = 0; i < from->n; i++) {
		struct device *g = &out->device[i];

		*g = from->device[i];
		g->cap = g->n;
		g->bucket = g->n ? arena_alloc(arena, g->n, sizeof *g->bucket) : NULL;
		if (g->n && !g->bucket)
			return false;
		if (g->n)
			memcpy(g->bucket, from->device[i].bucket, g->n * sizeof *g->bucket);
	}
	return !from->failed;
}

/* Both lists of buckets, by time, in one. False: no memory. */
static bool join_buckets(struct device *g, const struct device *from, int64_t from_width_us, int64_t width_us,
			 struct arena *arena)
{
	struct device_bucket *all = arena_alloc(arena, g->n + from->n + 1, sizeof *all);
	size_t n = 0, a = 0, b = 0;

	while (all && (a < g->n || b < from->n)) {
		const int64_t theirs = b < from->n ? index_of(from->bucket[b].index * from_width_us, width_us) : 0;
		const bool own = b == from->n || (a < g->n && g->bucket[a].index <= theirs);
		struct device_bucket next = own ? g->bucket[a++] : from->bucket[b++];

		next.index = own ? next.index : theirs;
		if (n && all[n - 1].index == next.index)
			bucket_join(&all[n - 1], &next);
		else
			all[n++] = next;
	}
	g->bucket = all;
	g->n = g->cap = n;
	return all;
}

/* NULL: there are too many, or no memory. */
static struct device *joined_device(struct devices *d, const char *name, struct arena *arena)
{
	struct device *more;

	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->device[i].name, name))
			return &d->device[i];
	more = d->n < GPUS_MAX ? arena_alloc(arena, d->n + 1, sizeof *more) : NULL;
	if (!more)
		return NULL;
	if (d->n)
		memcpy(more, d->device, d->n * sizeof *more);
	memcpy(more[d->n].name, name, strlen(name) + 1);
	d->device = more;
	return &d->device[d->n++];
}

static void join_sums(struct device *g, const struct device *from)
{
	g->gpu_used |= from->gpu_used;
	for (int v = 0; v < GPU_VALUE_COUNT; v++) {
		if (!from->seen[v])
			continue;
		g->min[v] = g->seen[v] ? fmin(g->min[v], from->min[v]) : from->min[v];
		g->max[v] = g->seen[v] ? fmax(g->max[v], from->max[v]) : from->max[v];
		g->sum[v] += from->sum[v];
		g->seen[v] += from->seen[v];
	}
}

bool devices_join(struct devices *into, const struct devices *from, struct arena *arena)
{
	bool fine = true;

	into->width_us = into->width_us ? into->width_us : from->width_us;
	while (into->width_us < from->width_us)
		coarsen(into);
	for (size_t i = 0; fine && i < from->n; i++) {
		struct device *g = joined_device(into, from->device[i].name, arena);

		if (!g)
			continue;
		join_sums(g, &from->device[i]);
		fine = join_buckets(g, &from->device[i], from->width_us, into->width_us, arena);
		while (g->n > DEVICE_BUCKETS_MAX)
			coarsen(into);
	}
	return fine && !arena->failed;
}

/* --- figures --------------------------------------------------------------------------------- */

/* NAN: unknown. */
static double device_bucket_mean(const struct device_bucket *b, enum gpu_value v)
{
	return b->seen[v] ? b->sum[v] / b->seen[v] : (double)NAN;
}

double device_mean(const struct device *d, enum gpu_value v)
{
	return d->seen[v] ? d->sum[v] / (double)d->seen[v] : (double)NAN;
}

static int descending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y) - (x > y);
}

double device_fullness(const struct device *d)
{
	double pct[DEVICE_BUCKETS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++) {
		double used = device_bucket_mean(&d->bucket[i], GPU_USED_MB);
		double share = 100 * used / device_bucket_mean(&d->bucket[i], GPU_TOTAL_MB);

		if (isfinite(share))
			pct[n++] = share;
	}
	if (!n)
		return (double)NAN;
	qsort(pct, n, sizeof *pct, descending);
	return pct[n / 10];
}
