/* foreseen.c - series become points, limits are found, and the forecast is asked for. */
#include "analyze/foreseen.h"

#include "analyze/analyze.h"
#include "analyze/sessions.h"
#include "forecast/breaks.h"
#include "learn/trained.h"
#include "spec/input.h"

#include <math.h>
#include <stdlib.h>

/* What can run out or run away, and its limit: a number of session_start, or always the same. */
static const struct {
	enum metric_id metric;
	enum field_id capacity; /* FIELD_COUNT: none */
	double always;          /* NAN: none */
} foreseeable[] = {
	{ M_VRAM_USED_MB, F_VRAM_TOTAL_MB, NAN },
	{ M_VRAM_FULLEST_PCT, FIELD_COUNT, NAN }, /* of several, whose sum hides a full one */
	{ M_PROCESS_VRAM_MB, F_VRAM_TOTAL_MB, NAN },
	{ M_PROCESS_MEMORY_MB, F_HOST_MEMORY_MB, NAN },
	{ M_LOG_DISK_FREE_MB, FIELD_COUNT, 0 },
	{ M_GPU_TEMPERATURE_C, F_HOST_GPU_SLOWDOWN_C, NAN },
	{ M_TOKEN_LATENCY_MS, FIELD_COUNT, NAN },
	{ M_TIME_TO_FIRST_TOKEN_MS, FIELD_COUNT, NAN },
	{ M_REQUESTS_WAITING, FIELD_COUNT, NAN },
	{ M_FP16_LARGEST, FIELD_COUNT, 65504 },
};

/* The skill that a part of a series needs. */
static const double PART_SKILL = 0.3;

int stated_limits_parse(struct stated_limits *out, const char *text, const char *option, struct err *err)
{
	out->n = 0;
	for (;;) {
		size_t n = strcspn(text, ","), name = strcspn(text, "=,");
		enum metric_id m = metric_by_id((struct slice){ text, name });
		char *end = NULL;
		double value = text[name] == '=' ? strtod(text + name + 1, &end) : NAN;

		if (name && text[name] == '=' && m == METRIC_COUNT)
			return err_set(err, ERR_USAGE,
				       "%s: found \"%.*s\", which is no metric: docs/METRICS.md lists them", option,
				       (int)name, text);
		if (!end || end != text + n || end == text + name + 1 || !isfinite(value)) {
			err_set(err, ERR_USAGE, "%s: found \"%.*s\", expected METRIC=NUMBER", option, (int)n, text);
			return err_hint(err, "such as: %s", "token_latency_ms=50,process_memory_mb=8000");
		}
		if (metric_possible(m, value) != value)
			return err_set(err, ERR_USAGE, "%s: %s can never be %g", option, metric_specs[m].id, value);
		if (out->n == STATED_LIMITS_MAX)
			return err_set(err, ERR_USAGE, "%s: more than %d limits", option, STATED_LIMITS_MAX);
		for (size_t i = 0; i < out->n; i++)
			if (out->of[i].metric == m)
				return err_set(err, ERR_USAGE, "%s: %s has two limits", option, metric_specs[m].id);
		out->of[out->n++] = (struct stated_limit){ m, value };
		if (!text[n])
			return 0;
		text += n + 1;
	}
}

/* --- limits -------------------------------------------------------------------------- */

static void set_limit(struct foreseen *x, enum limit_source source, double value, bool above)
{
	x->source = source;
	x->limit = value;
	x->above = above;
}

/* Of several limits by rules the one that is met last: what is broken already is no news. */
static void find_rule_limit(struct foreseen *x, const struct findings *f)
{
	bool above = metric_specs[x->metric].better != BETTER_HIGHER;

	for (size_t i = 0; i < f->n_limits; i++) {
		const struct limit_in_force *l = &f->limit[i];

		if (l->metric != x->metric || l->above != above)
			continue;
		if (x->source == LIMIT_SOURCE_RULE && (above ? l->value <= x->limit : l->value >= x->limit))
			continue;
		set_limit(x, LIMIT_SOURCE_RULE, l->value, above);
	}
}

static bool find_stated_limit(struct foreseen *x, const struct stated_limits *stated)
{
	for (size_t i = 0; stated && i < stated->n; i++)
		if (stated->of[i].metric == x->metric) {
			set_limit(x, LIMIT_SOURCE_STATED, stated->of[i].value,
				  metric_specs[x->metric].better != BETTER_HIGHER);
			return true;
		}
	return false;
}

/* What several GPUs hold together is held against no limit: one of them may be full long before. */
static bool is_of_all_gpus(const struct foreseen *x, const struct series *s)
{
	return (x->metric == M_VRAM_USED_MB || x->metric == M_PROCESS_VRAM_MB) && foreseen_row(s, M_VRAM_FULLEST_PCT);
}

static void find_capacity(struct foreseen *x, const struct field_values *about)
{
	const bool above = metric_specs[x->metric].better != BETTER_HIGHER;

	for (size_t i = 0; i < sizeof foreseeable / sizeof *foreseeable; i++) {
		if (foreseeable[i].metric != x->metric)
			continue;
		if (about && foreseeable[i].capacity != FIELD_COUNT && fields_have(about, foreseeable[i].capacity))
			set_limit(x, LIMIT_SOURCE_CAPACITY, about->v[foreseeable[i].capacity].number, above);
	}
}

/* What no machine and no rule changes. Rules warn before it; it is met last. */
static bool find_lasting_limit(struct foreseen *x)
{
	for (size_t i = 0; i < sizeof foreseeable / sizeof *foreseeable; i++)
		if (foreseeable[i].metric == x->metric && isfinite(foreseeable[i].always)) {
			set_limit(x, LIMIT_SOURCE_CAPACITY, foreseeable[i].always,
				  metric_specs[x->metric].better != BETTER_HIGHER);
			return true;
		}
	return false;
}

static void find_limit(struct foreseen *x, const struct findings *f, const struct series *s,
		       const struct field_values *about, const struct stated_limits *stated)
{
	x->limit = (double)NAN;
	if (find_stated_limit(x, stated) || find_lasting_limit(x) || is_of_all_gpus(x, s))
		return;
	find_rule_limit(x, f);
	if (x->source == LIMIT_SOURCE_NONE)
		find_capacity(x, about);
}

/* --- points -------------------------------------------------------------------------- */

size_t foreseen_points(const struct bucket *row, size_t n, size_t per, double *y)
{
	size_t points = n / per, skip = n - points * per;

	for (size_t i = 0; i < points; i++) {
		double sum = 0, count = 0;

		for (size_t k = 0; k < per; k++) {
			const struct bucket *b = &row[skip + i * per + k];

			sum += b->count ? b->mean * (double)b->count : 0;
			count += (double)b->count;
		}
		y[i] = count > 0 ? sum / count : (double)NAN;
	}
	return points;
}

/* How many points differ from the one before. */
static size_t steps_in(const double *y, size_t n)
{
	double before = (double)NAN;
	size_t changes = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(y[i]))
			continue;
		changes += isfinite(before) && y[i] != before;
		before = y[i];
	}
	return changes;
}

size_t foreseen_choose(const struct bucket *row, size_t n, double y[FORECAST_POINTS_MAX], size_t *per)
{
	size_t points;

	*per = (n + FORECAST_POINTS_MAX - 1) / FORECAST_POINTS_MAX;
	*per = *per ? *per : 1;
	points = foreseen_points(row, n, *per, y);
	while (steps_in(y, points) * 2 < points && n / (*per + 1) >= 2 * FORECAST_POINTS_LEAST)
		points = foreseen_points(row, n, ++*per, y);
	return points;
}

static bool is_asked(enum metric_id m, const struct stated_limits *stated)
{
	struct foreseen any = { .metric = m };

	for (size_t i = 0; i < sizeof foreseeable / sizeof *foreseeable; i++)
		if (foreseeable[i].metric == m)
			return true;
	return find_stated_limit(&any, stated);
}

size_t foreseen_metrics(const struct stated_limits *stated, enum metric_id *out, size_t most)
{
	size_t n = 0;

	for (size_t i = 0; stated && i < stated->n && n < most; i++)
		out[n++] = stated->of[i].metric;
	for (size_t i = 0; i < sizeof foreseeable / sizeof *foreseeable && n < most; i++) {
		struct foreseen any = { .metric = foreseeable[i].metric };

		if (!find_stated_limit(&any, stated))
			out[n++] = any.metric;
	}
	return n;
}

const struct bucket *foreseen_row(const struct series *s, enum metric_id m)
{
	return s->apart[m] ? s->apart[m] : s->metric[m];
}

/* --- a trained model --------------------------------------------------------------------- */

static bool knows_log(const struct trained *l, const struct findings *f, const char *instance)
{
	for (size_t i = 0; i < f->n_sessions; i++)
		if ((!instance || !strcmp(f->session[i].instance, instance)) &&
		    trained_knows(l, session_key(slice_of(f->session[i].session_id), slice_of(f->session[i].instance))))
			return true;
	return false;
}

static size_t number_in(const struct trained *l, enum metric_id m)
{
	size_t i = 0;

	while (i < l->n_metrics && strcmp(l->metric[i], metric_specs[m].id))
		i++;
	return i;
}

/* Of a series: the buckets from `skip` on. */
static struct series since(const struct series *s, size_t skip)
{
	struct series of = *s;

	of.n -= skip;
	of.from_us += (int64_t)skip * s->width_us;
	for (int m = 0; m < METRIC_COUNT; m++) {
		of.metric[m] = s->metric[m] ? s->metric[m] + skip : NULL;
		of.apart[m] = s->apart[m] ? s->apart[m] + skip : NULL;
	}
	return of;
}

/* What it says of metric m from each of the n points that lie `per` buckets apart; false: nothing. */
static bool ask_trained(const struct trained *l, const struct series *s, enum metric_id m, size_t n, size_t per,
			double said[FORECAST_POINTS_MAX + 1][FORECAST_STEPS_MAX])
{
	double points[TRAINED_METRICS_MAX][FORECAST_POINTS_MAX];
	const double *y[TRAINED_METRICS_MAX] = { NULL };

	for (size_t i = 0; i < l->n_metrics; i++) {
		enum metric_id other = metric_by_id(slice_of(l->metric[i]));
		const struct bucket *row = other < METRIC_COUNT ? foreseen_row(s, other) : NULL;

		if (!row)
			continue;
		foreseen_points(row, s->n, per, points[i]);
		y[i] = points[i];
	}
	return trained_say(l, y, n, number_in(l, m), said);
}

/* Values that the metric cannot have are none. */
static void keep_possible(struct foreseen *x)
{
	for (size_t k = 0; k < x->is.steps; k++) {
		struct forecast_step *s = &x->is.step[k];

		s->value = metric_possible(x->metric, s->value);
		s->low = metric_possible(x->metric, s->low);
		s->high = metric_possible(x->metric, s->high);
	}
}

static enum trained_part part_of(const struct trained *l, bool knows, enum metric_id m)
{
	if (!l)
		return TRAINED_ABSENT;
	if (number_in(l, m) == l->n_metrics)
		return TRAINED_OTHER_METRICS;
	return knows ? TRAINED_KNOWS_LOG : TRAINED_COMPETED;
}

/* Where the series changed its course: how often, a second, and the bucket at which it did last. */
struct courses {
	double ends;
	size_t last;
};

static struct courses courses_of(const struct series *s, enum metric_id m)
{
	double y[FORECAST_POINTS_MAX];
	size_t per, n = foreseen_choose(foreseen_row(s, m), s->n, y, &per);
	struct breaks b = breaks_find(y, n);

	return (struct courses){ breaks_rate(&b, n) / ((double)per * (double)s->width_us / 1e6),
				 b.n ? s->n - (n - b.last) * per : 0 };
}

/* Fills x->is from the series without its first `skip` buckets; true: it is predicted. */
static bool forecast_since(struct foreseen *x, const struct series *all, size_t skip, double ends,
			   const struct trained *l)
{
	const struct series s = since(all, skip);
	double y[FORECAST_POINTS_MAX], said[FORECAST_POINTS_MAX + 1][FORECAST_STEPS_MAX];
	size_t per, n = foreseen_choose(foreseen_row(&s, x->metric), s.n, y, &per);

	x->is_part = skip > 0;
	x->from_us = x->at_us - (int64_t)(n * per) * s.width_us;
	x->step_us = (int64_t)per * s.width_us;
	if (x->trained == TRAINED_COMPETED && !ask_trained(l, &s, x->metric, n, per, said))
		x->trained = TRAINED_ABSENT;
	forecast_series(y, n, ends * (double)x->step_us / 1e6, x->trained == TRAINED_COMPETED ? said : NULL, &x->is);
	return x->is.state == FORECAST_SKILLED && (!skip || x->is.skill >= PART_SKILL);
}

/* From the whole series, or, if that is not predictable, from where it last changed its course. Who tries twice seems
 * skilled by chance more often, so that a part has to be three times as skilled. */
static void forecast_row(struct foreseen *x, const struct series *s, const struct trained *l)
{
	const struct courses c = courses_of(s, x->metric);
	struct foreseen part = *x;

	if (!forecast_since(x, s, 0, c.ends, l) && x->is.state == FORECAST_NO_SKILL && c.last &&
	    forecast_since(&part, s, c.last, c.ends, l))
		*x = part;
}

/* The number of the GPU that was the fullest at the end; -1: it is not known, or the metric is of no single one. */
static int gpu_of(enum metric_id m, const struct series *s)
{
	const struct bucket *number = m == M_VRAM_FULLEST_PCT ? foreseen_row(s, M_VRAM_FULLEST_GPU) : NULL;

	for (size_t i = number ? s->n : 0; i-- > 0;)
		if (number[i].count)
			return number[i].min >= number[i].max ? (int)number[i].max : -1;
	return -1;
}

void foreseen_add(struct findings *f, const struct series *s, const char *instance, const struct field_values *about,
		  const struct analyze_options *opts)
{
	bool knows = opts->trained && knows_log(opts->trained, f, instance);

	for (int m = 0; m < METRIC_COUNT; m++) {
		struct foreseen *x = &f->foreseen[f->n_foreseen];

		if (!foreseen_row(s, (enum metric_id)m) || !is_asked((enum metric_id)m, opts->limits))
			continue;
		*x = (struct foreseen){ .metric = (enum metric_id)m,
					.instance = instance,
					.gpu = gpu_of((enum metric_id)m, s),
					.at_us = s->from_us + (int64_t)s->n * s->width_us,
					.trained = part_of(opts->trained, knows, (enum metric_id)m) };
		forecast_row(x, s, opts->trained);
		find_limit(x, f, s, about, opts->limits);
		x->reach = forecast_reach(&x->is, x->limit, x->above); /* without a limit, never */
		keep_possible(x);
		f->n_foreseen++;
	}
}

int64_t foreseen_us(const struct foreseen *x, double steps)
{
	return isfinite(steps) ? (int64_t)(steps * (double)x->step_us) : -1;
}
