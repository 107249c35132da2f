/* forecast.c - the backtest that picks and judges a model, and its intervals. */
#include "forecast/forecast.h"

#include "base/array.h"
#include "forecast/breaks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A tenth of the error must be saved, and in most origins. */
static const double LEAST_SKILL = 0.1, LEAST_WINS = 0.6, COVER = 0.9;

static const double ROUNDED = 1 + 1e-9; /* a line without noise has errors by rounding alone */

/* Models whose skill differs by less are equally good. */
static const double AS_GOOD = 0.01;

enum { ORIGINS_MAX = 40, LONG_ENOUGH = 4 /* origins that reach the last step */, NEWEST_LEAST = 4 };

/* The predictions of one model from one origin. */
struct attempt {
	size_t from, steps; /* points before it; steps ahead that were compared with the real values */
	double said[FORECAST_STEPS_MAX];
};

struct backtest {
	double y[FORECAST_POINTS_MAX]; /* gaps filled with the value before them */
	bool known[FORECAST_POINTS_MAX];
	size_t lead; /* points before the first known one, left out */
	double (*trained)[FORECAST_STEPS_MAX];
	size_t n, steps, split; /* points before `split` pick, the others judge */
	size_t n_origins;
	size_t origin[ORIGINS_MAX];
	struct attempt by[FORECAST_MODEL_COUNT][ORIGINS_MAX];
	struct attempt picked[ORIGINS_MAX]; /* of the model that was best until then */
};

static size_t fill_gaps(struct backtest *b, const double *y, size_t n)
{
	size_t known = 0;

	for (size_t i = 0; i < n; i++) {
		b->known[b->n] = isfinite(y[i]);
		if (!b->known[b->n] && !b->n) {
			b->lead++;
			continue;
		}
		b->y[b->n] = b->known[b->n] ? y[i] : b->y[b->n - 1];
		known += b->known[b->n++];
	}
	return known;
}

static bool is_constant(const struct backtest *b)
{
	for (size_t i = 1; i < b->n; i++)
		if (b->y[i] != b->y[0])
			return false;
	return true;
}

/* From a third of the series on, evenly. */
static void choose_origins(struct backtest *b)
{
	size_t first = b->n / 3 > FORECAST_FIT_LEAST ? b->n / 3 : FORECAST_FIT_LEAST, left = b->n - first;
	size_t every = (left + ORIGINS_MAX - 1) / ORIGINS_MAX;

	b->split = first + left / 2;
	b->steps = b->n / 4 < FORECAST_STEPS_MAX ? b->n / 4 : FORECAST_STEPS_MAX;
	for (size_t at = first; at < b->n; at += every)
		b->origin[b->n_origins++] = at;
}

/* The predictions of a model after `from` points; without a trained model, FORECAST_LSTM predicts the same as
 * FORECAST_LAST, and so is never picked. */
static void say(const struct backtest *b, enum forecast_model model, size_t from, double *out, size_t steps)
{
	if (model != FORECAST_LSTM)
		forecast_by(model, b->y, from, out, steps);
	else if (b->trained)
		memcpy(out, b->trained[b->lead + from], steps * sizeof *out);
	else
		forecast_by(FORECAST_LAST, b->y, from, out, steps);
}

static void attempt_all(struct backtest *b)
{
	for (int m = 0; m < FORECAST_MODEL_COUNT; m++)
		for (size_t i = 0; i < b->n_origins; i++) {
			struct attempt *a = &b->by[m][i];

			a->from = b->origin[i];
			a->steps = b->n - a->from < b->steps ? b->n - a->from : b->steps;
			say(b, (enum forecast_model)m, a->from, a->said, a->steps);
		}
}

struct tally {
	double error; /* sum of absolute errors */
	size_t n;
};

/* Of points in from..to. */
static struct tally tally(const struct backtest *b, const struct attempt *a, size_t from, size_t to)
{
	struct tally t = { 0 };

	for (size_t k = 0; k < a->steps; k++) {
		size_t at = a->from + k;

		if (at < from || at >= to || !b->known[at])
			continue;
		t.error += fabs(b->y[at] - a->said[k]);
		t.n++;
	}
	return t;
}

/* Origins and points of from..to: how the model does beside 'last value'. */
struct score {
	double error, skill, wins;
	size_t origins;
};

static struct score score(const struct backtest *b, const struct attempt by[ORIGINS_MAX], size_t from, size_t to)
{
	double error = 0, last = 0, points = 0, wins = 0;
	struct score s = { .skill = NAN };

	for (size_t i = 0; i < b->n_origins; i++) {
		struct tally own, of_last;

		if (b->origin[i] < from || b->origin[i] >= to)
			continue;
		own = tally(b, &by[i], from, to);
		of_last = tally(b, &b->by[FORECAST_LAST][i], from, to);
		if (!own.n)
			continue;
		error += own.error;
		last += of_last.error;
		points += (double)own.n;
		wins += own.error < of_last.error;
		s.origins++;
	}
	s.error = points > 0 ? error / points : NAN;
	s.skill = last > 0 ? 1 - error / last : NAN;
	s.wins = s.origins ? wins / (double)s.origins : 0;
	return s;
}

static bool is_skilled(const struct score *s)
{
	return s->skill >= LEAST_SKILL && s->wins >= LEAST_WINS;
}

/* Errors of one distance, and of those around it. */
struct errors {
	double size[ORIGINS_MAX * FORECAST_STEPS_MAX];
	size_t n;
	double before, square, product; /* of the very distance, in the order of origins: how alike neighbours are */
	size_t squares;
};

static void note_error(struct errors *e, double error)
{
	e->square += error * error;
	e->product += e->squares ? error * e->before : 0;
	e->before = error;
	e->squares++;
}

/* What a normal quantile is multiplied by where the spread is known from so few independent values (Student's t). */
static double doubt(double values)
{
	const double z = 1.6448536, inverse = 1 / fmax(values, 1.5);

	return 1 + (z * z + 1) / 4 * inverse + (5 * z * z * z * z + 16 * z * z + 3) / 96 * inverse * inverse;
}

/* The size that the share COVER of errors does not exceed. Neighbouring origins have similar errors, because they see
 * nearly the same points and predict nearly the same ones: as many count as if they were independent. */
static double within(struct errors *e)
{
	size_t rank = (size_t)ceil(COVER * (double)(e->n + 1));
	double alike = e->square > 0 ? fmin(fmax(e->product / e->square, 0), 0.95) : 0;

	if (!e->n)
		return INFINITY;
	sort_doubles(e->size, e->n);
	return e->size[(rank < e->n ? rank : e->n) - 1] * doubt((double)e->squares * (1 - alike) / (1 + alike));
}

/* half[k]: the bound of 9 of 10 errors at k + 1 steps ahead and at similar distances, over points before `to`. */
static void spread(const struct backtest *b, enum forecast_model model, size_t to, double half[FORECAST_STEPS_MAX])
{
	static const size_t AROUND = 3; /* steps nearer or farther by a third count too */

	for (size_t k = 0; k < b->steps; k++) {
		size_t around = 1 + k / AROUND, first = k > around ? k - around : 0;
		struct errors e = { .n = 0 };

		for (size_t i = 0; i < b->n_origins; i++) {
			const struct attempt *a = &b->by[model][i];

			for (size_t j = first; j <= k + around && j < a->steps && a->from + j < to; j++) {
				if (!b->known[a->from + j])
					continue;
				e.size[e.n++] = fabs(b->y[a->from + j] - a->said[j]);
				if (j == k)
					note_error(&e, b->y[a->from + j] - a->said[j]);
			}
		}
		half[k] = within(&e);
		if (k && half[k] < half[k - 1])
			half[k] = half[k - 1];
	}
}

/* Share of the points from `since` on that lie within intervals made of the errors before them, as seen from origins
 * in from..to. */
static double covered(const struct backtest *b, enum forecast_model model, size_t since, size_t from, size_t to)
{
	static const double ROUNDING = 1e-9; /* of a value: a line without noise has no other error */
	double half[FORECAST_STEPS_MAX], inside = 0, all = 0;

	spread(b, model, since, half);
	for (size_t i = 0; i < b->n_origins; i++) {
		const struct attempt *a = &b->by[model][i];

		for (size_t k = 0; a->from >= from && a->from < to && k < a->steps; k++) {
			size_t at = a->from + k;

			if (at < since || !b->known[at] || !isfinite(half[k]))
				continue;
			inside += fabs(b->y[at] - a->said[k]) <= half[k] + ROUNDING * fabs(b->y[at]);
			all++;
		}
	}
	return all > 0 ? inside / all : NAN;
}

/* The mean signed error of the first `points` points after an origin; false: there are not as many. */
static bool bias(const struct backtest *b, const struct attempt *a, size_t points, double *out)
{
	double sum = 0, n = 0;

	if (a->steps < points)
		return false;
	for (size_t k = 0; k < points; k++) {
		sum += b->known[a->from + k] ? b->y[a->from + k] - a->said[k] : 0;
		n += b->known[a->from + k];
	}
	*out = fabs(n > 0 ? sum / n : 0);
	return n > 0;
}

/* Did the newest points depart from the forecast made before them farther than as many points ever did? */
static bool departs(const struct backtest *b, enum forecast_model model, size_t points)
{
	double farthest = 0, newest = 0, one;

	for (size_t i = 0; i < b->n_origins && bias(b, &b->by[model][i], points, &one); i++) {
		farthest = fmax(farthest, newest);
		newest = one;
	}
	return newest > farthest * ROUNDED;
}

/* Do the newest points go on as the model expected before them? Else the series behaves in another way since then. */
static bool goes_on(const struct backtest *b, enum forecast_model model)
{
	for (size_t points = NEWEST_LEAST; points <= b->steps; points *= 2)
		if (departs(b, model, points))
			return false;
	return true;
}

/* As far as some origins have gone. */
static size_t tested_steps(const struct backtest *b)
{
	size_t steps = b->steps;

	for (; steps > 1; steps--) {
		size_t reach = 0;

		for (size_t i = 0; i < b->n_origins; i++)
			reach += b->origin[i] >= b->split && b->origin[i] + steps <= b->n;
		if (reach >= LONG_ENOUGH)
			break;
	}
	return steps;
}

/* The model with the smallest error of what is known before `to`: its later half, since series change. Those after a
 * model that is as good do not count. */
static enum forecast_model pick(const struct backtest *b, size_t to)
{
	const double last = score(b, b->by[FORECAST_LAST], to / 2, to).error;
	enum forecast_model best = FORECAST_LAST;
	double least = last;

	for (int m = 1; m < FORECAST_MODEL_COUNT; m++) {
		double error = score(b, b->by[m], to / 2, to).error;

		if (!(error < least - AS_GOOD * last))
			continue;
		least = error;
		best = (enum forecast_model)m;
	}
	return best;
}

static void pick_each(struct backtest *b)
{
	for (size_t i = 0; i < b->n_origins; i++)
		b->picked[i] = b->by[pick(b, b->origin[i])][i];
}

/* How far a value may stay behind its course after `steps`, because that ends before then: 0 as long as this is less
 * likely than what an interval leaves out on a side. Where a course ends, all moments are alike; then it goes on
 * anywhere between as fast as before and back as fast. What is lost is the product of two such shares, z: it is larger
 * with the chance 1 - z + z ln z. */
static double behind(const struct forecast *f, double steps)
{
	double ended = 1 - exp(-f->ends * steps), wanted = (1 - COVER) / 2 / ended, low = 0, high = 1;

	if (!(wanted < 1))
		return 0;
	for (int i = 0; i < 30; i++) {
		double z = (low + high) / 2;

		*(1 - z + z * log(z) > wanted ? &low : &high) = z;
	}
	return 2 * low;
}

/* By how much a forecast moves in `steps`, where it is a course that may end. */
static double move(const struct forecast *f, size_t k)
{
	const struct forecast_step *s = f->step;

	return f->model == FORECAST_SEASONAL || f->model == FORECAST_LSTM || f->steps < 2
		       ? 0
		       : s[k].value - s[0].value + (s[1].value - s[0].value);
}

static void widen(struct forecast *f)
{
	for (size_t k = 0; k < f->steps; k++) {
		double less = move(f, k) * behind(f, (double)(k + 1));

		*(less > 0 ? &f->step[k].low : &f->step[k].high) -= less;
	}
}

static void tell(const struct backtest *b, struct forecast *out)
{
	struct score picked = score(b, b->by[pick(b, b->split)], 0, b->split),
		     judged = score(b, b->picked, b->split, b->n);
	double value[FORECAST_STEPS_MAX], half[FORECAST_STEPS_MAX];

	out->skill = judged.skill;
	out->error = judged.error;
	out->origins = judged.origins;
	out->coverage = covered(b, pick(b, b->split), b->split, b->split, b->n);
	out->state = FORECAST_NO_SKILL;
	if (out->model != FORECAST_LAST && is_skilled(&picked) && is_skilled(&judged) && goes_on(b, out->model))
		out->state = FORECAST_SKILLED;
	out->steps = tested_steps(b);
	say(b, out->model, b->n, value, out->steps);
	spread(b, out->model, b->n, half);
	for (size_t k = 0; k < out->steps; k++)
		out->step[k] = (struct forecast_step){ value[k], value[k] - half[k], value[k] + half[k] };
	widen(out);
}

double forecast_ends(const double *y, size_t n)
{
	const struct breaks b = breaks_find(y, n);

	return breaks_rate(&b, n);
}

void forecast_series(const double *y, size_t n, double ends, double (*trained)[FORECAST_STEPS_MAX],
		     struct forecast *out)
{
	struct backtest *b = calloc(1, sizeof *b);

	*out = (struct forecast){ .skill = NAN, .coverage = NAN, .error = NAN, .now = NAN, .ends = ends };
	if (!b)
		return;
	b->trained = trained;
	out->points = fill_gaps(b, y, n);
	out->now = b->n ? b->y[b->n - 1] : NAN;
	if (out->points >= FORECAST_POINTS_LEAST && is_constant(b)) {
		out->state = FORECAST_CONSTANT;
	} else if (out->points >= FORECAST_POINTS_LEAST) {
		choose_origins(b);
		attempt_all(b);
		pick_each(b);
		out->model = pick(b, b->n);
		tell(b, out);
	}
	free(b);
}

/* --- time to a limit ------------------------------------------------------------------- */

bool forecast_is_line(const struct forecast *f)
{
	const struct forecast_step *s = f->step;
	const double first = f->steps > 2 ? s[1].value - s[0].value : 0;

	return f->steps > 2 && fabs(s[f->steps - 1].value - s[f->steps - 2].value - first) <= 1e-3 * fabs(first);
}

/* The middle (0), the low (-1) or the high edge (1) of a line after `steps` beyond those that were tested: what is not
 * known of its slope grows with the distance. */
static double beyond_tested(const struct forecast *f, int edge, double steps)
{
	const struct forecast_step *last = &f->step[f->steps - 1], *first = f->step;
	double slope = (last->value - first->value) / (double)(f->steps - 1), farther = steps / (double)f->steps;
	double half = (slope > 0 ? last->high - last->value : last->value - last->low) * farther;
	double less = slope * steps * behind(f, steps);

	return last->value + slope * (steps - (double)f->steps) + edge * half - (edge * less < 0 ? less : 0);
}

static double edge_at(const struct forecast *f, int edge, size_t k)
{
	const struct forecast_step *s = &f->step[k < f->steps ? k : 0];

	if (k >= f->steps)
		return beyond_tested(f, edge, (double)(k + 1));
	return edge < 0 ? s->low : edge > 0 ? s->high : s->value;
}

static double reach(const struct forecast *f, int edge, double limit, double side)
{
	size_t most = forecast_is_line(f) ? FORECAST_BEYOND * f->points : f->steps;
	double before = f->now;

	for (size_t k = 0; k < most; k++) {
		double at = edge_at(f, edge, k);

		if (side * (at - limit) >= 0)
			return (double)k +
			       (at == before || side * (before - limit) >= 0 ? 1 : (limit - before) / (at - before));
		before = at;
	}
	return INFINITY;
}

struct forecast_reach forecast_reach(const struct forecast *f, double limit, bool above)
{
	double side = above ? 1 : -1;
	struct forecast_reach r = { INFINITY, INFINITY, INFINITY, side * (f->now - limit) >= 0, false };

	if (f->state != FORECAST_SKILLED || r.now)
		return r;
	r.at = reach(f, 0, limit, side);
	r.early = reach(f, above ? 1 : -1, limit, side);
	r.late = reach(f, above ? -1 : 1, limit, side);
	r.tested = r.at <= (double)f->steps;
	return r;
}
