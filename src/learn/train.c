/* train.c - pinball loss, truncated backpropagation, Adam, early stop. */
#include "learn/train.h"

#include "base/array.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 32, GROUPS_LEAST = 3, SHARE = 5 /* of the groups: one to stop by, one to judge by */ };

/* --- the set ----------------------------------------------------------------------------- */

struct learn_series *learn_set_add(struct learn_set *set)
{
	if (!array_grow(&set->series, set->n, &set->cap, 64, sizeof *set->series))
		return NULL;
	set->series[set->n] = (struct learn_series){ .n = 0 };
	return &set->series[set->n++];
}

bool learn_set_session(struct learn_set *set, uint64_t hash, uint64_t group)
{
	bool fine = set->n_sessions < TRAINED_SESSIONS_MAX &&
		    array_grow(&set->session, set->n_sessions, &set->sessions_cap, 64, sizeof *set->session);

	if (fine)
		set->session[set->n_sessions++] = (struct learn_session){ hash, group, LEARN_PARTS };
	return fine;
}

void learn_set_free(struct learn_set *set)
{
	free(set->series);
	free(set->session);
	arena_free(&set->arena);
	*set = (struct learn_set){ .n = 0 };
}

/* What belongs together, and is dealt out together. */
struct group {
	uint64_t id, key; /* key: its place among those as long */
	size_t points;    /* of its longest series */
	enum learn_part part;
};

static int by_id(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int by_key(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return x->key == y->key ? by_id(a, b) : (x->key > y->key) - (x->key < y->key);
}

static int by_points(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return x->points == y->points ? by_key(a, b) : (x->points > y->points) - (x->points < y->points);
}

/* Any bit of the id or the seed changes half of its bits (splitmix64). */
static uint64_t key_of(uint64_t id, uint64_t seed)
{
	uint64_t z = id + seed * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static size_t find_groups(const struct learn_set *set, uint64_t seed, struct group *group)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		group[i] = (struct group){ set->series[i].group, key_of(set->series[i].group, seed), set->series[i].n,
					   LEARN_FIT };
	qsort(group, set->n, sizeof *group, by_id);
	for (size_t i = 0; i < set->n; i++) {
		size_t points = group[i].points;

		if (!i || group[i].id != group[n - 1].id)
			group[n++] = group[i];
		if (points > group[n - 1].points)
			group[n - 1].points = points;
	}
	return n;
}

/* Of five that are about as long, one says when to stop and one judges: which, is chance. */
static void deal(struct group *group, size_t n)
{
	qsort(group, n, sizeof *group, by_points);
	for (size_t i = 0; i < n; i += SHARE) {
		qsort(group + i, n - i < SHARE ? n - i : SHARE, sizeof *group, by_key);
		group[i].part = LEARN_STOP;
		if (i + 1 < n)
			group[i + 1].part = LEARN_JUDGE;
	}
	qsort(group, n, sizeof *group, by_id);
}

static enum learn_part part_of(uint64_t id, const struct group *group, size_t n)
{
	const struct group wanted = { .id = id }, *at = bsearch(&wanted, group, n, sizeof *group, by_id);

	return at ? at->part : LEARN_PARTS;
}

int learn_deal(struct learn_set *set, uint64_t seed, struct err *err)
{
	struct group *groups = calloc(set->n + 1, sizeof *groups);
	size_t n;

	if (!groups)
		return err_set(err, ERR_NOMEM, "no memory to train");
	n = find_groups(set, seed, groups);
	deal(groups, n);
	for (size_t i = 0; i < set->n; i++)
		set->series[i].part = part_of(set->series[i].group, groups, n);
	for (size_t i = 0; i < set->n_sessions; i++)
		set->session[i].part = part_of(set->session[i].group, groups, n);
	memset(set->groups, 0, sizeof set->groups);
	for (size_t i = 0; i < n; i++)
		set->groups[groups[i].part]++;
	free(groups);
	if (n >= GROUPS_LEAST)
		return 0;
	err_set(err, ERR_UNSUPPORTED,
		"forecast --train: number of runs long enough to learn from: %zu; expected %d or more", n,
		GROUPS_LEAST);
	return err_hint(err,
			"name logs of more runs, or of longer ones, some hundred tokens each: some are learned from, "
			"others say when to stop");
}

/* --- loss -------------------------------------------------------------------------------- */

/* What a series is worked on with. */
struct work {
	const struct trained *l;
	struct lstm_tape *tape;
	float *x; /* (FORECAST_POINTS_MAX, inputs) */
};

static bool work_open(struct work *w, const struct trained *l)
{
	*w = (struct work){ .l = l, .tape = lstm_tape_open(&l->net->shape, WINDOW) };
	w->x = calloc(FORECAST_POINTS_MAX * l->net->shape.inputs, sizeof *w->x);
	return w->tape && w->x;
}

static void work_close(struct work *w)
{
	lstm_tape_close(w->tape);
	free(w->x);
}

struct loss {
	double sum, n;
};

/* Of one value's quantiles; d: their gradients. */
static double pinball(const float *said, float came, float *d)
{
	double sum = 0;

	for (size_t q = 0; q < TRAINED_QUANTILES; q++) {
		float apart = came - said[q], level = trained_levels[q];

		sum += (double)(apart >= 0 ? level * apart : (level - 1) * apart);
		d[q] = apart >= 0 ? -level : 1 - level;
	}
	return sum;
}

/* Of the steps from..from + n that the tape holds; leaves their gradients on it. */
static struct loss window_loss(struct work *w, const struct learn_series *s, size_t from, size_t n)
{
	size_t outputs = w->l->net->shape.outputs;
	struct loss loss = { 0 };

	memset(w->tape->d_out, 0, n * outputs * sizeof(float));
	for (size_t i = 0; i < n; i++)
		for (size_t m = 0; m < w->l->n_metrics; m++)
			for (size_t h = 0; h < TRAINED_HORIZONS; h++) {
				size_t at = from + i, then = at + h + 1;
				size_t out = i * outputs + trained_output(m, h);

				if (!s->foretold[m] || then >= s->n || !isfinite(s->y[m][at]) ||
				    !isfinite(s->y[m][then]))
					continue;
				loss.sum += pinball(
					w->tape->out + out,
					(float)((s->y[m][then] - s->y[m][at]) / (double)w->l->scale[m].change[h]),
					w->tape->d_out + out);
				loss.n++;
			}
	for (size_t i = 0; loss.n > 0 && i < n * outputs; i++)
		w->tape->d_out[i] /= (float)loss.n;
	return loss;
}

struct adam {
	float *gradient, *mean, *square; /* (n) */
	double rate;
	uint64_t steps;
};

static void adam_step(struct adam *a, struct lstm *net);

/* With `adam` the network is the model's own and learns after each window. */
static struct loss series_loss(struct work *w, const struct learn_series *s, struct adam *adam, struct lstm *net)
{
	const struct lstm_shape *shape = &w->l->net->shape;
	struct lstm_state state = { 0 };
	struct loss all = { 0 };

	trained_inputs(w->l, (const double *const *)s->y, s->n, w->x);
	for (size_t from = 0; from < s->n; from += WINDOW) {
		size_t n = s->n - from < WINDOW ? s->n - from : WINDOW;
		struct loss loss;

		lstm_forward(w->l->net, w->tape, &state, w->x + from * shape->inputs, n);
		loss = window_loss(w, s, from, n);
		all.sum += loss.sum;
		all.n += loss.n;
		if (!adam || !(loss.n > 0))
			continue;
		memset(adam->gradient, 0, net->n * sizeof *adam->gradient);
		lstm_backward(net, w->tape, w->x + from * shape->inputs, n, adam->gradient);
		adam_step(adam, net);
	}
	return all;
}

static double part_loss(struct work *w, const struct learn_series *series, size_t n, enum learn_part part)
{
	struct loss all = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct loss loss = { 0 };

		if (series[i].part == part)
			loss = series_loss(w, &series[i], NULL, NULL);
		all.sum += loss.sum;
		all.n += loss.n;
	}
	return all.n > 0 ? all.sum / all.n : (double)NAN;
}

/* --- Adam (Kingma and Ba) ------------------------------------------------------------------ */

static bool adam_open(struct adam *a, size_t n)
{
	a->gradient = calloc(n, sizeof *a->gradient);
	a->mean = calloc(n, sizeof *a->mean);
	a->square = calloc(n, sizeof *a->square);
	return a->gradient && a->mean && a->square;
}

static void adam_close(struct adam *a)
{
	free(a->gradient);
	free(a->mean);
	free(a->square);
}

/* A gradient longer than 1 is shortened to that. */
static void adam_step(struct adam *a, struct lstm *net)
{
	static const double KEEP = 0.9, KEEP_SQUARE = 0.999, TINY = 1e-8;
	double square = 0, rate;
	float shorten;

	for (size_t i = 0; i < net->n; i++)
		square += (double)a->gradient[i] * (double)a->gradient[i];
	if (!isfinite(square))
		return;
	shorten = square > 1 ? (float)(1 / sqrt(square)) : 1;
	a->steps++;
	rate = a->rate * sqrt(1 - pow(KEEP_SQUARE, (double)a->steps)) / (1 - pow(KEEP, (double)a->steps));
	for (size_t i = 0; i < net->n; i++) {
		float g = a->gradient[i] * shorten;

		a->mean[i] += (float)(1 - KEEP) * (g - a->mean[i]);
		a->square[i] += (float)(1 - KEEP_SQUARE) * (g * g - a->square[i]);
		net->weight[i] -= (float)rate * a->mean[i] / (sqrtf(a->square[i]) + (float)TINY);
	}
}

/* --- what the numbers mean --------------------------------------------------------------- */

static float change_over(const struct learn_set *set, size_t metric, size_t distance)
{
	double sum = 0, n = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct learn_series *s = &set->series[i];

		for (size_t k = 0; s->part == LEARN_FIT && s->foretold[metric] && k + distance < s->n; k++) {
			double change = fabs(s->y[metric][k + distance] - s->y[metric][k]);

			sum += isfinite(change) ? change : 0;
			n += isfinite(change);
		}
	}
	return n > 0 ? (float)(sum / n) : 0;
}

/* False: it never changes in what is learned from, at some distance. */
static bool find_scale(const struct learn_set *set, size_t metric, struct trained_scale *out)
{
	double sum = 0, square = 0, n = 0, mean;

	for (int round = 0; round < 2; round++) {
		mean = n > 0 ? sum / n : 0;
		sum = square = n = 0;
		for (size_t i = 0; i < set->n; i++) {
			const struct learn_series *s = &set->series[i];

			for (size_t k = 0; s->part == LEARN_FIT && s->y[metric] && k < s->n; k++)
				if (isfinite(s->y[metric][k])) {
					sum += s->y[metric][k];
					square += (s->y[metric][k] - mean) * (s->y[metric][k] - mean);
					n++;
				}
		}
	}
	*out = (struct trained_scale){ .mean = (float)(n > 0 ? sum / n : 0),
				       .spread = (float)(n > 0 ? sqrt(square / n) : 0) };
	for (size_t h = 0; h < TRAINED_HORIZONS; h++) {
		out->change[h] = change_over(set, metric, h + 1);
		if (!(out->change[h] > 0) || !isfinite(out->change[h]))
			return false;
	}
	return isfinite(out->mean) && isfinite(out->spread) && out->spread > 0;
}

/* from[m]: the set's number of the model's metric m. */
static void choose_metrics(struct trained *l, const struct learn_set *set, size_t from[TRAINED_METRICS_MAX])
{
	for (size_t m = 0; m < set->n_metrics && l->n_metrics < TRAINED_METRICS_MAX; m++)
		if (find_scale(set, m, &l->scale[l->n_metrics])) {
			memcpy(l->metric[l->n_metrics], set->metric[m], TRAINED_NAME_BYTES);
			from[l->n_metrics++] = m;
		}
}

/* The set's series with the model's metrics; points stay the set's. */
static struct learn_series *view(const struct learn_set *set, size_t n_metrics, const size_t *from)
{
	struct learn_series *out = calloc(set->n + 1, sizeof *out);

	for (size_t i = 0; out && i < set->n; i++) {
		const struct learn_series *s = &set->series[i];

		out[i] = (struct learn_series){ .n = s->n, .group = s->group, .part = s->part };
		for (size_t m = 0; m < n_metrics; m++) {
			out[i].y[m] = s->y[from[m]];
			out[i].foretold[m] = s->foretold[from[m]] && out[i].y[m];
		}
	}
	return out;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static bool note_sessions(struct trained *l, const struct learn_set *set)
{
	l->session = calloc(set->n_sessions + 1, sizeof *l->session);
	for (size_t i = 0; l->session && i < set->n_sessions; i++)
		if (set->session[i].part < LEARN_JUDGE)
			l->session[l->n_sessions++] = (int64_t)set->session[i].hash;
	if (l->session)
		qsort(l->session, l->n_sessions, sizeof *l->session, by_number);
	return l->session;
}

/* --- rounds ------------------------------------------------------------------------------ */

struct training {
	struct trained *l;
	struct learn_series *series;
	size_t n, *order;
	const struct learn_options *opts;
	struct work work;
	struct adam adam;
	float *best;
	uint64_t random;
};

static void shuffle(struct training *t)
{
	for (size_t i = t->n; i > 1; i--) {
		size_t k = (size_t)(lstm_random(&t->random) % i), kept = t->order[i - 1];

		t->order[i - 1] = t->order[k];
		t->order[k] = kept;
	}
}

static bool is_stopped(const struct training *t)
{
	return t->opts->stop && t->opts->stop(t->opts->ctx);
}

/* False: it was stopped. */
static bool learn_round(struct training *t, size_t round)
{
	static const double RATE = 3e-3, HALF = 30; /* rounds after which the rate is half */

	t->adam.rate = RATE / (1 + (double)round / HALF);
	shuffle(t);
	for (size_t i = 0; i < t->n; i++) {
		const struct learn_series *s = &t->series[t->order[i]];

		if (is_stopped(t))
			return false;
		if (s->part == LEARN_FIT)
			series_loss(&t->work, s, &t->adam, t->l->net);
	}
	return true;
}

static void learn_rounds(struct training *t, struct learn_progress *p)
{
	struct lstm *net = t->l->net;

	*p = (struct learn_progress){ .rounds = t->opts->rounds };
	p->loss = p->best_loss = p->first_loss = part_loss(&t->work, t->series, t->n, LEARN_STOP);
	memcpy(t->best, net->weight, net->n * sizeof *t->best);
	while (p->round < p->rounds && p->round - p->best < t->opts->patience && learn_round(t, p->round)) {
		p->round++;
		p->loss = part_loss(&t->work, t->series, t->n, LEARN_STOP);
		if (p->loss < p->best_loss) {
			p->best_loss = p->loss;
			p->best = p->round;
			memcpy(t->best, net->weight, net->n * sizeof *t->best);
		}
		if (t->opts->progress)
			t->opts->progress(t->opts->ctx, p);
	}
	memcpy(net->weight, t->best, net->n * sizeof *t->best);
}

static bool training_open(struct training *t, struct trained *l, const struct learn_set *set, const size_t *from,
			  const struct learn_options *opts)
{
	*t = (struct training){ .l = l, .n = set->n, .opts = opts, .random = opts->seed };
	t->series = view(set, l->n_metrics, from);
	t->order = calloc(set->n + 1, sizeof *t->order);
	t->best = calloc(l->net->n, sizeof *t->best);
	for (size_t i = 0; t->order && i < set->n; i++)
		t->order[i] = i;
	return work_open(&t->work, l) && adam_open(&t->adam, l->net->n) && t->series && t->order && t->best;
}

static void training_close(struct training *t)
{
	work_close(&t->work);
	adam_close(&t->adam);
	free(t->series);
	free(t->order);
	free(t->best);
}

static int train(struct trained *l, const struct learn_set *set, const struct learn_options *opts,
		 struct learn_progress *end, struct err *err)
{
	size_t from[TRAINED_METRICS_MAX];
	struct training t = { .n = 0 };
	int rc = 0;

	choose_metrics(l, set, from);
	if (!l->n_metrics) {
		err_set(err, ERR_UNSUPPORTED, "forecast --train: no metric changes in the runs to learn from");
		return err_hint(err, "name longer logs, or logs of more runs; --limit METRIC=VALUE adds a metric "
				     "(docs/FORECAST.md)");
	}
	l->net = lstm_open((struct lstm_shape){ .inputs = l->n_metrics * TRAINED_INPUTS,
						.units = opts->units,
						.layers = opts->layers,
						.outputs = trained_output(l->n_metrics, 0) });
	if (!l->net || !note_sessions(l, set) || !training_open(&t, l, set, from, opts))
		rc = err_set(err, ERR_NOMEM, "no memory to train");
	if (!rc) {
		lstm_seed(l->net, opts->seed);
		learn_rounds(&t, end);
	}
	training_close(&t);
	return rc;
}

int learn_train(struct trained **out, const struct learn_set *set, const struct learn_options *opts,
		struct learn_progress *end, struct err *err)
{
	struct trained *l = calloc(1, sizeof *l);
	int rc = l ? train(l, set, opts, end, err) : err_set(err, ERR_NOMEM, "no memory to train");

	*out = rc ? NULL : l;
	if (rc)
		trained_close(l);
	return rc;
}
