/* slowdown.c - the times at which instances became slower, side by side.
 *
 * When one became slower is known to within some stretches of its calls: it began in between two times. Those may have
 * begun together whose times have a moment in common. Each of them alone must have slowed much for that to be told, or
 * another one of them must. */
#include "analyze/slowdown.h"

#include "analyze/time_breakdown.h"
#include "spec/diagnosis.h"

#include <math.h>
#include <stdlib.h>

const char *const shared_ids[SHARED_COUNT] = { "host", "model_name", "strategy", "device" };
const char *const slowdown_scope_ids[SLOWDOWN_SCOPE_COUNT] = { "none", "local", "group", "common" };

static bool covers(const struct instance_findings *in, int64_t moment_us, int64_t window_us)
{
	return in->slower_part.earliest_us - window_us / 2 <= moment_us &&
	       moment_us <= in->slower_part.latest_us + window_us / 2;
}

/* Those that may have begun at one moment, among n: the most of them come to `best` (n). Each earliest time is
 * tried as the moment. */
static size_t at_one_moment(const struct instance_findings *const *in, size_t n, int64_t window_us,
			    const struct instance_findings **best)
{
	size_t most = 0, moment = 0;

	for (size_t k = 0; k < n; k++) {
		size_t now = 0;

		for (size_t i = 0; i < n; i++)
			now += covers(in[i], in[k]->slower_part.earliest_us, window_us);
		if (now > most) {
			most = now;
			moment = k;
		}
	}
	most = 0;
	for (size_t i = 0; i < n; i++)
		if (covers(in[i], in[moment]->slower_part.earliest_us, window_us))
			best[most++] = in[i];
	return most;
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
	return (double)here >= limit_of(T_SHARED_LEAST) && (double)here >= limit_of(T_NEARLY_ALL) * (double)n &&
			       (double)here >= limit_of(T_NEARLY_ALL) * (double)all && all < f->slowdown.of
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

static int by_times(const void *a, const void *b)
{
	const double x = (*(const struct instance_findings *const *)a)->slower_part.times,
		     y = (*(const struct instance_findings *const *)b)->slower_part.times;

	return (x > y) - (x < y);
}

static bool slowed_much(const struct instance_findings *in)
{
	return isfinite(in->times_slower);
}

/* n at least 1, at one moment. */
static void tell_together(struct slowdown *s, const struct instance_findings **in, size_t n)
{
	s->together = n;
	s->from_us = INT64_MAX;
	s->to_us = INT64_MIN;
	for (size_t i = 0; i < n; i++) {
		s->from_us = in[i]->slower_us < s->from_us ? in[i]->slower_us : s->from_us;
		s->to_us = in[i]->slower_us > s->to_us ? in[i]->slower_us : s->to_us;
	}
	qsort(in, n, sizeof *in, by_times);
	s->times = n % 2 ? in[n / 2]->slower_part.times
			 : (in[n / 2 - 1]->slower_part.times + in[n / 2]->slower_part.times) / 2;
}

static enum slowdown_scope scope_of(struct findings *f, const struct instance_findings *const *in, size_t n)
{
	if ((double)n >= limit_of(T_COMMON_LEAST) && (double)n >= limit_of(T_NEARLY_ALL) * (double)f->slowdown.of)
		return SLOWDOWN_COMMON;
	return (double)n >= limit_of(T_SHARED_LEAST) && tell_shared(f, in, n) ? SLOWDOWN_GROUP : SLOWDOWN_LOCAL;
}

static size_t much_slower(const struct instance_findings *const *in, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += slowed_much(in[i]);
	return found;
}

/* Mild ones count where they make a group or nearly all of those that slowed much; else they are left out. */
static size_t find_together(struct findings *f, const struct instance_findings *const *in, size_t n,
			    const struct instance_findings **much, const struct instance_findings **best)
{
	const double window_us =
		fmax(limit_of(T_MOMENT_S) * 1e6, limit_of(T_MOMENT_SHARE) * (double)(f->to_us - f->from_us));
	size_t n_much = 0, together = at_one_moment(in, n, (int64_t)window_us, best);

	f->slowdown.scope = much_slower(best, together) ? scope_of(f, best, together) : SLOWDOWN_LOCAL;
	if (f->slowdown.scope != SLOWDOWN_LOCAL)
		return together;
	for (size_t i = 0; i < n; i++)
		if (slowed_much(in[i]))
			much[n_much++] = in[i];
	together = at_one_moment(much, n_much, (int64_t)window_us, best);
	f->slowdown.scope = scope_of(f, best, together);
	return together;
}

/* At least one of them slowed much. */
static void tell(struct findings *f, const struct instance_findings *const *in, size_t n,
		 const struct instance_findings **much, const struct instance_findings **best)
{
	struct slowdown *s = &f->slowdown;
	const size_t together = find_together(f, in, n, much, best);
	const struct instance_findings *most = NULL;

	s->slowed = much_slower(in, n) + together - much_slower(best, together);
	tell_together(s, best, together);
	for (size_t i = 0; i < together; i++)
		f->instance[best[i] - f->instance].slower_part.together = true;
	for (size_t i = 0; i < n; i++)
		if (slowed_much(in[i]) && (!most || in[i]->times_slower > most->times_slower))
			most = in[i];
	s->instance = most->instance;
}

bool slowdown_tell(struct findings *f)
{
	const size_t room = f->n_instances + 1;
	const struct instance_findings **in = calloc(3 * room, sizeof(const struct instance_findings *));
	size_t n = 0;

	f->slowdown = (struct slowdown){ .scope = SLOWDOWN_NONE };
	for (size_t i = 0; in && f->n_instances > 1 && i < f->n_instances; i++) {
		f->slowdown.of += f->instance[i].timed;
		if (isfinite(f->instance[i].slower_part.times))
			in[n++] = &f->instance[i];
	}
	if (in && much_slower(in, n))
		tell(f, in, n, in + room, in + 2 * room);
	free(in);
	return in;
}
