/* slowdown.c - the times at which instances became slower, side by side. */
#include "analyze/slowdown.h"

#include "analyze/time_breakdown.h"
#include "stats/median.h"

#include <math.h>
#include <stdlib.h>

const char *const shared_ids[SHARED_COUNT] = { "host", "model_name", "strategy", "device" };
const char *const slowdown_scope_ids[SLOWDOWN_SCOPE_COUNT] = { "none", "local", "group", "common" };

/* At the same time is within a minute, or a twentieth of the log: instances do not all work all the time. */
static const int64_t MINUTE_US = INT64_C(60000000);
static const double LOG_SHARE = 0.05;

static const double NEARLY_ALL = 0.8;
enum { SHARED_LEAST = 2, COMMON_LEAST = 3 }; /* instances that are no chance */

static int by_time(const void *a, const void *b)
{
	const struct instance_findings *x = *(const struct instance_findings *const *)a,
				       *y = *(const struct instance_findings *const *)b;

	return (x->slower_us > y->slower_us) - (x->slower_us < y->slower_us);
}

/* The most instances within the window: from `first` on. */
static size_t densest(const struct instance_findings *const *in, size_t n, int64_t window_us, size_t *first)
{
	size_t best = 0;

	for (size_t from = 0, to = 0; from < n; from++) {
		while (to < n && in[to]->slower_us - in[from]->slower_us <= window_us)
			to++;
		if (to - from > best) {
			best = to - from;
			*first = from;
		}
	}
	return best;
}

/* --- what they share ------------------------------------------------------------------------ */

static struct slice value_of(const struct instance_findings *in, enum shared what)
{
	switch (what) {
	case SHARED_HOST:
		return (struct slice){ in->instance, host_length(in->instance) };
	case SHARED_MODEL:
		return slice_of(in->model_name);
	case SHARED_STRATEGY:
		return slice_of(in->strategy);
	default:
		return slice_of(in->device);
	}
}

static size_t count_with(const struct instance_findings *in, enum shared what, struct slice value)
{
	const struct slice own = value_of(in, what);

	return in->timed && own.n == value.n && !memcmp(own.p, value.p, own.n);
}

/* The value that nearly all of the cluster have and, of all that have it, nearly all are in the cluster; n 0: none. */
static struct slice shared_value(const struct findings *f, const struct instance_findings *const *in, size_t n,
				 enum shared what)
{
	const struct slice none = { "", 0 };
	const struct slice value = value_of(in[n / 2], what);
	size_t here = 0, all = 0;

	for (size_t i = 0; i < n; i++)
		here += count_with(in[i], what, value);
	for (size_t i = 0; i < f->n_instances; i++)
		all += count_with(&f->instance[i], what, value);
	return here >= SHARED_LEAST && (double)here >= NEARLY_ALL * (double)n &&
			       (double)here >= NEARLY_ALL * (double)all && all < f->slowdown.of
		       ? value
		       : none;
}

static bool tell_shared(struct findings *f, const struct instance_findings *const *in, size_t n)
{
	bool any = false;

	for (int what = 0; what < SHARED_COUNT; what++) {
		const struct slice value = shared_value(f, in, n, (enum shared)what);

		f->slowdown.shared[what] = value.n ? arena_copy(&f->arena, value) : NULL;
		any |= value.n != 0;
	}
	return any;
}

/* --- the whole ---------------------------------------------------------------------------------- */

static void tell(struct findings *f, const struct instance_findings **in, size_t n, double *times)
{
	struct slowdown *s = &f->slowdown;
	const int64_t window_us = (int64_t)fmax((double)MINUTE_US, LOG_SHARE * (double)(f->to_us - f->from_us));
	size_t first = 0, most = 0;

	qsort(in, n, sizeof *in, by_time);
	s->together = densest(in, n, window_us, &first);
	s->from_us = in[first]->slower_us;
	s->to_us = in[first + s->together - 1]->slower_us;
	for (size_t i = 0; i < s->together; i++)
		times[i] = in[first + i]->times_slower;
	s->times = median_sort(times, s->together);
	for (size_t i = 0; i < n; i++)
		most = in[i]->times_slower > in[most]->times_slower ? i : most;
	s->instance = in[most]->instance;
	if (s->together >= COMMON_LEAST && (double)s->together >= NEARLY_ALL * (double)s->of)
		s->scope = SLOWDOWN_COMMON;
	else if (s->together >= SHARED_LEAST && tell_shared(f, &in[first], s->together))
		s->scope = SLOWDOWN_GROUP;
	else
		s->scope = SLOWDOWN_LOCAL;
}

bool slowdown_tell(struct findings *f)
{
	const struct instance_findings **in = malloc((f->n_instances + 1) * sizeof(const struct instance_findings *));
	double *times = malloc((f->n_instances + 1) * sizeof *times);
	const bool fine = in && times;

	for (size_t i = 0; fine && f->n_instances > 1 && i < f->n_instances; i++) {
		f->slowdown.of += f->instance[i].timed;
		if (isfinite(f->instance[i].times_slower))
			in[f->slowdown.slowed++] = &f->instance[i];
	}
	if (fine && f->slowdown.slowed)
		tell(f, in, f->slowdown.slowed, times);
	free(in);
	free(times);
	return fine;
}
