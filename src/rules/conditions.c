/* conditions.c - how each kind of condition passes over rows, takes them in, and judges one. */
#include "rules/conditions.h"

static struct line line_at(struct sight *s, size_t window)
{
	return line_of(s->s->plan, s->s->seen, s->rows, window, &(struct line){ s->v, s->before });
}

/* The last values of a window at a row, at most *n, the row's own included or not; *n becomes how many there are. */
static const double *tail_at(struct sight *s, size_t window, size_t row, bool own, size_t *n)
{
	struct line line = line_at(s, window);
	size_t end = line.before[row + (own ? 1 : 0)];

	*n = *n < end ? *n : end;
	return line.v + end - *n;
}

void sight_face(struct sight *s, size_t condition)
{
	s->c = &s->s->plan->condition[s->rule->first + condition];
	s->limits = limits_of(s->s, s->c);
}

double sight_value(const struct sight *s, size_t row)
{
	double value = judged_metric(s->rows, row, s->c->is->metric);

	return isnan(value) ? s->c->is->missing : value;
}

/* Most limits stay the same for a session. */
static double limit_at(const struct sight *s, const struct limit *limit, double settled, size_t row)
{
	double of;

	if (limit->kind != LIMIT_METRIC)
		return settled;
	of = judged_metric(s->rows, row, limit->of.metric);
	return isnan(of) ? limit->otherwise : of * limit->value + limit->plus;
}

static double above_at(const struct sight *s, size_t row)
{
	return limit_at(s, &s->c->is->above, s->limits->above, row);
}

static double below_at(const struct sight *s, size_t row)
{
	return limit_at(s, &s->c->is->below, s->limits->below, row);
}

/* Do the limits differ from row to row? */
static bool follows(const struct condition *c)
{
	return c->above.kind == LIMIT_METRIC || c->below.kind == LIMIT_METRIC;
}

static double aggregate(const struct condition *c, const double *v, size_t n)
{
	switch (c->by) {
	case BY_MEAN:
		return values_mean(v, n, metric_specs[c->metric].scale);
	case BY_MEDIAN:
		return values_median(v, n);
	case BY_MIN:
		return values_min(v, n);
	case BY_MAX:
		return values_max(v, n);
	case BY_P90:
		return values_quantile(v, n, 0.9);
	case BY_SPREAD:
		return values_spread(v, n);
	default:
		return v[n - 1];
	}
}

/* The range of usual values, which are not sudden; everything is usual while too little has been seen. */
static void usual_range(struct sight *s, size_t row, double *low, double *high)
{
	const struct sudden *sudden = &s->c->is->sudden;
	size_t n = sudden->of;
	const double *v = tail_at(s, s->c->recent, row, false, &n);
	double median = values_median(v, n), far = INFINITY;

	if (n >= 2 && n >= sudden->of / 8)
		far = fmax(sudden->deviations * values_mad(v, n, median), sudden->least);
	*low = isinf(far) ? -INFINITY : median - far;
	*high = isinf(far) ? INFINITY : median + far;
}

/* The limit a value has crossed, or the nearer one while it is inside. */
static double nearest_limit(double value, double above, double below)
{
	if (isnan(above) || value < below)
		return below;
	if (isnan(below) || value > above)
		return above;
	return value - below < above - value ? below : above;
}

/* Compares the value with the limits and with the usual range; without limits, the usual range is the limit. */
static void hold_against(struct sight *s, size_t row, double above, double below, struct verdict *v)
{
	bool bare = condition_is_bare(s->c->is);
	double clear = s->rule->is->clear, low, high;

	v->violated = bare || beyond(v->value, above, below);
	if (v->violated && s->c->recent != PLAN_NO_WINDOW) {
		usual_range(s, row, &low, &high);
		above = bare || above < high ? high : above; /* a side without a limit (NaN) stays without */
		below = bare || below > low ? low : below;
		v->violated = beyond(v->value, above, below);
	}
	if (!v->violated && judged_is_quiet(s->j))
		return; /* the rest is not needed */
	v->clear = bare ? !v->violated : !beyond(v->value, above - clear * fabs(above), below + clear * fabs(below));
	v->limit = nearest_limit(v->value, above, below);
}

/* The aggregate at the row, whose value is `last`; false: the window is not full yet. */
static bool aggregate_at(struct sight *s, size_t row, double last, double *out)
{
	size_t n = s->c->over;
	const double *v;

	*out = last;
	if (n == 1)
		return true;
	v = tail_at(s, s->c->window, row, true, &n);
	if (n == s->c->over)
		*out = aggregate(s->c->is, v, n);
	return n == s->c->over;
}

/* --- … that hold a value against limits --- */

static struct verdict look_at_value(struct sight *s, size_t row, bool in_time)
{
	struct verdict v = { .value = NAN, .limit = NAN };
	double raw = sight_value(s, row), value;

	if (isnan(raw))
		return v;
	v.ready = in_time && aggregate_at(s, row, raw, &value);
	if (!v.ready)
		return v;
	v.value = value;
	hold_against(s, row, above_at(s, row), below_at(s, row), &v);
	return v;
}

static size_t next_single(struct sight *s, size_t from, size_t to)
{
	const struct condition *c = s->c->is;
	double above = s->limits->above, below = s->limits->below;

	if (condition_is_bare(c))
		return from;
	if (!follows(c) && ((isnan(above) && isnan(below)) || rows_are_within(s->rows, c->metric, above, below)))
		return to;
	while (from < to && !beyond(sight_value(s, from), above_at(s, from), below_at(s, from)))
		from++;
	return from;
}

static size_t count_far(const double *v, size_t n, double above, double below)
{
	int64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += beyond(v[i], above, below);
	return (size_t)count;
}

/* The first row at which the full window has so many values beyond the bounds. */
static size_t next_far(struct sight *s, size_t from, size_t to, double above, double below, size_t wanted)
{
	struct line line = line_at(s, s->c->window);
	size_t end = line.before[from], begin = end >= s->c->over ? end - s->c->over : 0;
	size_t far = count_far(line.v + begin, end - begin, above, below);

	for (; from < to; from++) {
		if (line.before[from + 1] == end)
			continue;
		far += beyond(line.v[end++], above, below);
		if (end - begin > s->c->over)
			far -= beyond(line.v[begin++], above, below);
		if (far >= wanted && end - begin == s->c->over)
			break;
	}
	return from;
}

/* The first row at which the full window's mean is beyond the bounds, or cannot be told. */
static size_t next_mean(struct sight *s, size_t from, size_t to, double above, double below)
{
	struct line line = line_at(s, s->c->window);
	size_t over = s->c->over, end = line.before[from], begin = end >= over ? end - over : 0;
	double scale = metric_specs[s->c->is->metric].scale, sum = 0, by = (double)over * scale;

	for (size_t i = begin; i < end; i++)
		sum += values_whole(line.v[i], scale);
	for (; from < to; from++) {
		if (line.before[from + 1] == end)
			continue;
		sum += values_whole(line.v[end++], scale);
		if (end - begin > over)
			sum -= values_whole(line.v[begin++], scale);
		if (end - begin == over && (isnan(sum) || beyond(sum / by, above, below)))
			break;
	}
	return from;
}

/* A margin for rounding. */
static double wider(double limit, double side)
{
	return limit - side * 1e-9 * fabs(limit);
}

static size_t next_windowed(struct sight *s, size_t from, size_t to)
{
	const struct condition *c = s->c->is;
	const struct seen *seen = &s->s->seen[s->c->window];
	double above = wider(s->limits->above, 1), below = wider(s->limits->below, -1);
	size_t wanted_above = isnan(above) ? SIZE_MAX : s->c->far_above;
	size_t wanted_below = isnan(below) ? SIZE_MAX : s->c->far_below;
	size_t wanted = wanted_above < wanted_below ? wanted_above : wanted_below;

	if (seen->values.n + to < s->c->over)
		return to;
	if (condition_is_bare(c) || follows(c) || c->by == BY_SPREAD) /* no limit of single values */
		return from;
	if (wanted == SIZE_MAX ||
	    (seen_is_within(seen, above, below) && rows_are_within(s->rows, c->metric, above, below)))
		return to;
	if (c->by == BY_MEAN && metric_specs[c->metric].scale > 0)
		return next_mean(s, from, to, above, below);
	return next_far(s, from, to, above, below, wanted);
}

static size_t next_value(struct sight *s, size_t from, size_t to)
{
	if (!some_have(s->rows, s->c->is->metric) && isnan(s->c->is->missing))
		return to;
	return s->c->over == 1 ? next_single(s, from, to) : next_windowed(s, from, to);
}

/* --- … that hold a value against what is normal here --- */

struct level *sight_level(const struct sight *s)
{
	return s->rows->normal ? s->rows->normal[s->c->is->metric].level : NULL;
}

static double learned_limit(const struct sight *s, const struct limit *limit, bool above, struct level *level)
{
	return limit->kind == LIMIT_LEARNED
		       ? level_limit(level, above, limit->value, limit->deviations, s->c->over) + limit->plus
		       : (double)NAN;
}

/* Values are multiples of what is normal under the conditions of each record, so that a window may span a change of
 * load. The verdict's numbers are in the metric's unit. */
static struct verdict look_at_learned(struct sight *s, size_t row, bool in_time)
{
	const struct condition *c = s->c->is;
	struct verdict v = { .value = NAN, .limit = NAN };
	struct level *level = sight_level(s);
	double raw = sight_value(s, row), value;

	if (isnan(raw) || !level_is_known(level))
		return v;
	v.ready = in_time && aggregate_at(s, row, raw / level->normal, &value);
	if (!v.ready)
		return v;
	v.value = value;
	hold_against(s, row, learned_limit(s, &c->above, true, level), learned_limit(s, &c->below, false, level), &v);
	v.value *= level->normal;
	v.limit *= level->normal;
	return v;
}

static size_t next_learned(struct sight *s, size_t from, size_t to)
{
	return isnan(multiple_of(s->rows, s->c->is->metric, s->c->is->missing)) ? to : from;
}

/* --- … on what the value will be --- */

static struct foretell *ahead_of(const struct sight *s)
{
	return &s->s->ahead[s->c->state];
}

static void feed_ahead(struct sight *s, size_t from, size_t to)
{
	for (; from < to; from++) {
		double raw = sight_value(s, from);

		if (!isnan(raw))
			foretell_add(ahead_of(s), time_at(s->rows, from), raw);
	}
}

static struct verdict look_ahead(struct sight *s, size_t row, bool in_time)
{
	struct verdict v = { .value = NAN, .limit = NAN };

	if (isnan(sight_value(s, row)))
		return v;
	feed_ahead(s, row, row + 1);
	v.value = foretell_at(ahead_of(s), time_at(s->rows, row), s->c->is->forecast.within_us);
	v.ready = in_time && !isnan(v.value);
	if (v.ready)
		hold_against(s, row, above_at(s, row), below_at(s, row), &v);
	return v;
}

/* Is what is foretold at that time beyond a limit? */
static bool crosses(const struct sight *s, int64_t time_us, double above, double below)
{
	int64_t within_us = s->c->is->forecast.within_us;

	return foretell_may_cross(ahead_of(s), time_us, within_us, above, below) &&
	       beyond(foretell_at(ahead_of(s), time_us, within_us), above, below);
}

/* Takes in rows from `from` on in the stretch of time at hand, at whose two ends what is foretold is within the limits,
 * so that it is so between them. */
static size_t feed_stretch(struct sight *s, size_t from, size_t to)
{
	int64_t begin_us = ahead_of(s)->start_us, end_us = foretell_end_us(ahead_of(s)), now = time_at(s->rows, from);
	double above = s->limits->above, below = s->limits->below;
	size_t end = from;

	if (follows(s->c->is) || now < begin_us || now >= end_us || crosses(s, now, above, below) ||
	    crosses(s, end_us, above, below))
		return from;
	while (end < to && time_at(s->rows, end) >= begin_us && time_at(s->rows, end) < end_us)
		end++;
	feed_ahead(s, from, end);
	return end;
}

/* The same of one row that ends a stretch. False: it has to be judged, and nothing was done. */
static bool feeds_quietly(struct sight *s, size_t row)
{
	struct foretell *f = ahead_of(s), before = *f;

	feed_ahead(s, row, row + 1);
	if (!crosses(s, time_at(s->rows, row), above_at(s, row), below_at(s, row)))
		return true;
	*f = before;
	return false;
}

static size_t next_ahead(struct sight *s, size_t from, size_t to)
{
	if (!some_have(s->rows, s->c->is->metric))
		return to;
	for (; from < to; from++) {
		from = feed_stretch(s, from, to);
		if (from == to || !feeds_quietly(s, from))
			break;
	}
	return from;
}

/* --- … on what is rare --- */

static struct unusual_answer add_unusual(struct sight *s, double raw)
{
	return unusual_add(&s->s->unusual[s->c->state], raw, -1);
}

static void feed_unusual(struct sight *s, size_t from, size_t to)
{
	for (; from < to; from++) {
		double raw = sight_value(s, from);

		if (isfinite(raw))
			add_unusual(s, raw);
	}
}

/* The limit is what the value departs from. */
static struct verdict look_for_unusual(struct sight *s, size_t row, bool in_time)
{
	double raw = sight_value(s, row);
	struct unusual_answer a;
	bool rare;

	if (!isfinite(raw))
		return (struct verdict){ .value = NAN, .limit = NAN };
	a = add_unusual(s, raw);
	rare = a.rarity >= log10(s->c->is->unusual.once_in);
	return (struct verdict){
		.ready = in_time, .violated = in_time && rare, .clear = !rare, .value = raw, .limit = a.usual
	};
}

/* --- … on what lies beyond all that was seen --- */

static struct beyond_answer add_beyond(struct sight *s, size_t row, double raw)
{
	static const int64_t WEEK_S = 7 * 86400;
	int64_t at = time_at(s->rows, row) / 1000000 % WEEK_S;

	return beyond_add(&s->s->beyond[s->c->state], raw, at < 0 ? at + WEEK_S : at);
}

static void feed_beyond(struct sight *s, size_t from, size_t to)
{
	for (; from < to; from++) {
		double raw = sight_value(s, from);

		if (isfinite(raw))
			add_beyond(s, from, raw);
	}
}

/* The limit is the edge of what was seen. */
static struct verdict look_for_beyond(struct sight *s, size_t row, bool in_time)
{
	double raw = sight_value(s, row);
	struct beyond_answer a;
	bool out;

	if (!isfinite(raw))
		return (struct verdict){ .value = NAN, .limit = NAN };
	a = add_beyond(s, row, raw);
	out = a.share > s->c->is->unusual.beyond;
	return (struct verdict){
		.ready = in_time, .violated = in_time && out, .clear = !out, .value = raw, .limit = a.edge
	};
}

static size_t next_unusual(struct sight *s, size_t from, size_t to)
{
	return some_have(s->rows, s->c->is->metric) ? from : to;
}

/* --- … on what is not there --- */

static bool is_absent(const struct sight *s, size_t row)
{
	return isnan(judged_metric(s->rows, row, s->c->is->metric));
}

static struct verdict look_for_absence(struct sight *s, size_t row, bool in_time)
{
	bool absent = is_absent(s, row);

	return (struct verdict){ .ready = in_time, .violated = absent, .clear = !absent, .value = NAN, .limit = NAN };
}

static size_t next_absent(struct sight *s, size_t from, size_t to)
{
	while (from < to && !is_absent(s, from))
		from++;
	return from;
}

const struct condition_way condition_ways[] = {
	[CONDITION_VALUE] = { next_value, NULL, look_at_value },
	[CONDITION_LEARNED] = { next_learned, NULL, look_at_learned },
	[CONDITION_AHEAD] = { next_ahead, feed_ahead, look_ahead },
	[CONDITION_UNUSUAL] = { next_unusual, feed_unusual, look_for_unusual },
	[CONDITION_BEYOND] = { next_unusual, feed_beyond, look_for_beyond },
	[CONDITION_ABSENT] = { next_absent, NULL, look_for_absence },
};
