/* compare.c - blocks of two sides become differences with intervals. */
#include "analyze/compare_side.h"

#include "stats/trend.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWS = 1000, BINS_MAX = 2048, STEPS_LEAST = 20, UNITS_LEAST = 2 };

/* What is smaller than this share of A is no difference, however sure it is. */
static const double MATTERS = 0.01;

static const double quantile_of[COMPARED_COUNT] = { 0.5, 0.95, 0.9, 0.99, NAN };

/* --- one metric of both sides as counts of equal values, by unit ------------------- */

/* count steps of a unit have this value, or lie in one bin of a sketch around it. */
struct cell {
	double value;
	uint64_t count;
	uint32_t side, unit, bin;
};

struct table {
	struct cell *cell; /* (n of cap) */
	size_t n, cap;
	double *value; /* (bins), ascending */
	size_t bins;
	size_t units[2];
	uint64_t *count[2]; /* (bins), of a whole side */
	uint32_t side, unit; /* of the cells that are added now */
	bool negated, failed;
};

static void add_cell(void *ctx, double low, double high, uint64_t count)
{
	struct table *t = ctx;

	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 1024;
		struct cell *grown = realloc(t->cell, cap * sizeof *grown);

		t->failed |= !grown;
		if (!grown)
			return;
		t->cell = grown;
		t->cap = cap;
	}
	t->cell[t->n++] = (struct cell){ .value = low + (high - low) / 2, .count = count, .side = t->side, .unit = t->unit };
}

static int by_value(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	if (x->side != y->side)
		return x->side < y->side ? -1 : 1;
	return (x->unit > y->unit) - (x->unit < y->unit);
}

static int by_unit(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	if (x->side != y->side)
		return x->side < y->side ? -1 : 1;
	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return (x->bin > y->bin) - (x->bin < y->bin);
}

/* Equal values share a bin; when there are more than BINS_MAX of them, so do neighbours of equal share. */
static void make_bins(struct table *t)
{
	uint64_t all = 0, before = 0;
	size_t last = SIZE_MAX, share;

	qsort(t->cell, t->n, sizeof *t->cell, by_value);
	for (size_t i = 0; i < t->n; i++)
		all += t->cell[i].count;
	for (size_t i = 0; i < t->n; i++) {
		share = t->n > BINS_MAX ? (size_t)((double)before / (double)all * BINS_MAX) : i;
		before += t->cell[i].count;
		if (!i || (t->cell[i].value != t->cell[i - 1].value && share != last)) {
			t->value[t->bins++] = t->cell[i].value;
			last = share;
		}
		t->cell[i].bin = (uint32_t)t->bins - 1;
		t->count[t->cell[i].side][t->cell[i].bin] += t->cell[i].count;
	}
	qsort(t->cell, t->n, sizeof *t->cell, by_unit);
}

static void free_table(struct table *t)
{
	free(t->cell);
	free(t->value);
	free(t->count[0]);
	free(t->count[1]);
}

static void add_side(struct table *t, const struct compare_side *s, uint32_t side, bool by_session, enum metric_id m,
		     enum phase phase)
{
	t->side = side;
	for (size_t i = 0; i < s->n; i++) {
		bool next = i && (!by_session || s->block[i]->session != s->block[i - 1]->session);

		t->units[side] += !i || next;
		t->unit = (uint32_t)t->units[side] - 1;
		tracks_walk(&s->block[i]->phase[phase], m, add_cell, t);
	}
}

/* False when memory is out. */
static bool make_table(struct table *t, const struct compare_side *const side[2], bool by_session, enum metric_id m,
		       enum phase phase)
{
	*t = (struct table){ .n = 0 };
	for (uint32_t i = 0; i < 2; i++)
		add_side(t, side[i], i, by_session, m, phase);
	t->value = malloc((t->n + 1) * sizeof *t->value);
	for (int i = 0; i < 2; i++)
		t->count[i] = calloc(t->n + 1, sizeof *t->count[i]);
	t->failed |= !t->value || !t->count[0] || !t->count[1];
	if (!t->failed && t->n)
		make_bins(t);
	return !t->failed;
}

/* --- statistics of counts ------------------------------------------------------------- */

/* By linear interpolation between ranks, for ascending shares q. */
static void quantiles(const double *value, const uint64_t *count, size_t bins, uint64_t n, double out[COMPARED_COUNT])
{
	static const enum compared order[] = { COMPARED_MEDIAN, COMPARED_P90, COMPARED_P95, COMPARED_P99 };
	uint64_t upto = 0;
	size_t bin = 0;

	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		double rank = quantile_of[order[i]] * (double)(n - 1);
		uint64_t low = (uint64_t)rank;
		size_t next;

		while (upto + count[bin] <= low)
			upto += count[bin++];
		next = bin;
		if (low + 1 < n && upto + count[bin] == low + 1)
			for (next = bin + 1; next < bins && !count[next];)
				next++;
		out[order[i]] = value[bin] + (value[next] - value[bin]) * (rank - (double)low);
	}
}

static void statistics(const struct table *t, const uint64_t *count, double out[COMPARED_COUNT])
{
	double sum = 0;
	uint64_t n = 0;

	for (size_t i = 0; i < t->bins; i++) {
		n += count[i];
		sum += (double)count[i] * t->value[i];
	}
	for (int i = 0; i < COMPARED_COUNT; i++)
		out[i] = (double)NAN;
	if (!n)
		return;
	quantiles(t->value, count, t->bins, n, out);
	out[COMPARED_MEAN] = sum / (double)n;
}

static double cliffs_delta(const struct table *t)
{
	double a = 0, b = 0, delta = 0;

	for (size_t i = 0; i < t->bins; i++) {
		double na = (double)t->count[0][i], nb = (double)t->count[1][i];

		delta += nb * a - na * b; /* this bin's B above A's so far, its A above B's so far */
		a += na;
		b += nb;
	}
	return delta / (a * b);
}

/* --- drawing -------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Units of one side, drawn as often as there are: their counts. `start` (units + 1): where their cells begin. */
static void draw(const struct table *t, size_t units, const size_t *start, uint64_t *random, uint64_t *count)
{
	memset(count, 0, t->bins * sizeof *count);
	for (size_t k = 0; k < units; k++) {
		size_t unit = (size_t)(next_random(random) % units);

		for (size_t i = start[unit]; i < start[unit + 1]; i++)
			count[t->cell[i].bin] += t->cell[i].count;
	}
}

/* Where each unit's cells begin; cells are by side and unit. Returns the end of the side's. */
static size_t find_units(const struct table *t, uint32_t side, size_t from, size_t *start)
{
	for (size_t unit = 0; unit < t->units[side]; unit++) {
		start[unit] = from;
		while (from < t->n && t->cell[from].side == side && t->cell[from].unit == unit)
			from++;
	}
	start[t->units[side]] = from;
	return from;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Few units make intervals that are too narrow: theirs are widened as Student's are. */
static double widening(const struct table *t)
{
	double n = (double)(t->units[0] < t->units[1] ? t->units[0] : t->units[1]);

	return trend_student95(fmax(n - 1, 3)) / trend_student95(1e9) * sqrt(n / (n - 1));
}

/* drawn (DRAWS) are differences as they came out; they are sorted. */
static void interval(struct estimate *e, double *drawn, double center, double widen)
{
	size_t n = 0;

	for (size_t i = 0; i < DRAWS; i++)
		if (isfinite(drawn[i])) /* a draw may have no step of the phase */
			drawn[n++] = drawn[i];
	if (n < DRAWS / 2)
		return;
	qsort(drawn, n, sizeof *drawn, ascending);
	e->low = e->difference + widen * (drawn[n / 40] - center);
	e->high = e->difference + widen * (drawn[n - 1 - n / 40] - center);
	e->relative_low = e->a != 0 ? e->low / fabs(e->a) : (double)NAN;
	e->relative_high = e->a != 0 ? e->high / fabs(e->a) : (double)NAN;
}

struct drawing {
	size_t *start[2];
	uint64_t *count;
	double *difference[COMPARED_COUNT]; /* (DRAWS) */
};

static void draw_all(const struct table *t, const struct drawing *d)
{
	uint64_t random = 20250911;

	for (size_t r = 0; r < DRAWS; r++) {
		double of[2][COMPARED_COUNT];

		for (int side = 0; side < 2; side++) {
			draw(t, t->units[side], d->start[side], &random, d->count);
			statistics(t, d->count, of[side]);
		}
		for (int i = 0; i < COMPARED_COUNT; i++)
			d->difference[i][r] = of[1][i] - of[0][i];
	}
}

static bool make_drawing(const struct table *t, struct drawing *d, struct arena *a)
{
	*d = (struct drawing){ .count = arena_alloc(a, t->bins + 1, sizeof *d->count) };
	for (int side = 0; side < 2; side++)
		d->start[side] = arena_alloc(a, t->units[side] + 1, sizeof *d->start[side]);
	for (int i = 0; i < COMPARED_COUNT; i++)
		d->difference[i] = arena_alloc(a, DRAWS, sizeof *d->difference[i]);
	if (a->failed)
		return false;
	find_units(t, 1, find_units(t, 0, 0, d->start[0]), d->start[1]);
	return true;
}

/* False when memory is out. */
static bool estimate(const struct table *t, struct difference *row)
{
	struct arena arena = { 0 };
	struct drawing d;
	double of[2][COMPARED_COUNT];
	bool fine = make_drawing(t, &d, &arena);

	if (fine) {
		draw_all(t, &d);
		for (int side = 0; side < 2; side++)
			statistics(t, t->count[side], of[side]);
		for (int i = 0; i < COMPARED_COUNT; i++)
			interval(&row->of[i], d.difference[i], of[1][i] - of[0][i], widening(t));
	}
	arena_free(&arena);
	return fine;
}

/* --- verdicts -------------------------------------------------------------------------- */

static enum difference_verdict judge(enum metric_id m, const struct estimate *e)
{
	enum metric_better better = metric_specs[m].better;
	bool higher = e->difference > 0;

	if (!isfinite(e->low) || !isfinite(e->high))
		return DIFFERENCE_UNKNOWN;
	if (e->low <= 0 && 0 <= e->high)
		return DIFFERENCE_NONE;
	if (fabs(e->relative) < MATTERS)
		return DIFFERENCE_NONE;
	if (better == BETTER_NEITHER)
		return higher ? DIFFERENCE_HIGHER : DIFFERENCE_LOWER;
	return higher == (better == BETTER_HIGHER) ? DIFFERENCE_BETTER : DIFFERENCE_WORSE;
}

static void summarize(const struct compare_side *s, enum metric_id m, enum phase phase, struct summary *out, bool *fine)
{
	struct tracks whole = { .records = 0 };

	for (size_t i = 0; i < s->n; i++)
		tracks_merge(&whole, &s->block[i]->phase[phase]);
	tracks_summary(&whole, m, out);
	*fine &= !tracks_failed(&whole);
	tracks_free(&whole);
}

static struct estimate point_of(double a, double b)
{
	double nan = (double)NAN, difference = b - a;

	return (struct estimate){ a, b, difference, nan, nan, a != 0 ? difference / fabs(a) : nan, nan, nan };
}

static void points(struct difference *row)
{
	const struct summary *a = &row->a, *b = &row->b;

	row->of[COMPARED_MEDIAN] = point_of(a->p50, b->p50);
	row->of[COMPARED_P95] = point_of(a->p95, b->p95);
	row->of[COMPARED_P90] = point_of(a->p90, b->p90);
	row->of[COMPARED_P99] = point_of(a->p99, b->p99);
	row->of[COMPARED_MEAN] = point_of(a->mean, b->mean);
}

/* One metric in one phase; false when memory is out. */
static bool compare_row(struct comparison *c, const struct compare_side *const side[2], enum metric_id m, enum phase phase)
{
	struct difference *row = &c->row[c->n];
	struct table table;
	bool fine = true;

	*row = (struct difference){ .metric = m, .phase = phase, .cliffs_delta = (double)NAN };
	summarize(side[0], m, phase, &row->a, &fine);
	summarize(side[1], m, phase, &row->b, &fine);
	if (!fine || !row->a.count || !row->b.count)
		return fine;
	c->n++;
	points(row);
	fine = make_table(&table, side, c->by_session, m, phase);
	if (fine)
		row->cliffs_delta = cliffs_delta(&table);
	if (fine && row->a.count >= STEPS_LEAST && row->b.count >= STEPS_LEAST && table.units[0] >= UNITS_LEAST &&
	    table.units[1] >= UNITS_LEAST)
		fine = estimate(&table, row);
	free_table(&table);
	row->median = judge(m, &row->of[COMPARED_MEDIAN]);
	row->p95 = judge(m, &row->of[COMPARED_P95]);
	return fine;
}

const struct difference *comparison_row(const struct comparison *c, enum metric_id m, enum phase phase)
{
	static const enum phase order[] = { PHASE_DECODE, PHASE_UNKNOWN, PHASE_PREFILL };

	for (size_t k = 0; k < sizeof order / sizeof *order; k++)
		for (size_t i = 0; i < c->n; i++)
			if (c->row[i].metric == m && c->row[i].phase == (phase ? phase : order[k]))
				return &c->row[i];
	return NULL;
}

/* The speed of decoding decides, or else of what there is. */
static void decide(struct comparison *c)
{
	static const enum metric_id speed[] = { M_TOKEN_LATENCY_MS, M_THROUGHPUT_TPS, M_CHUNK_PROCESS_TIME_MS };

	for (size_t i = 0; i < sizeof speed / sizeof *speed && !c->deciding; i++) {
		const struct difference *row = comparison_row(c, speed[i], PHASE_UNKNOWN);

		if (row && row->median != DIFFERENCE_UNKNOWN)
			c->deciding = row;
	}
	c->verdict = c->deciding ? c->deciding->median : DIFFERENCE_UNKNOWN;
}

static struct compared_side about(const struct compare_side *s, bool by_session)
{
	return (struct compared_side){ .sessions = s->sessions.n_listed + s->sessions.n_other, .records = s->records,
				       .left_out = s->left_out, .units = by_session ? s->sessions.n_listed : s->n };
}

static bool draws_sessions(const struct compare_side *s)
{
	return s->sessions.n_listed >= COMPARE_SESSIONS && !s->joined;
}

int compare_sides(const struct compare_side *a, const struct compare_side *b, struct comparison *out, struct err *err)
{
	static const enum phase order[] = { PHASE_DECODE, PHASE_PREFILL, PHASE_UNKNOWN };
	const struct compare_side *const side[2] = { a, b };
	bool fine = !compare_side_failed(a) && !compare_side_failed(b);

	*out = (struct comparison){ .by_session = draws_sessions(a) && draws_sessions(b) };
	out->side[0] = about(a, out->by_session);
	out->side[1] = about(b, out->by_session);
	out->row = arena_alloc(&out->arena, METRIC_COUNT * PHASE_COUNT + 1, sizeof *out->row);
	fine &= out->row != NULL;
	for (size_t k = 0; k < sizeof order / sizeof *order; k++)
		for (int m = 0; fine && m < METRIC_COUNT; m++)
			fine = compare_row(out, side, (enum metric_id)m, order[k]);
	decide(out);
	if (fine)
		return 0;
	comparison_free(out);
	return err_set(err, ERR_NOMEM, "no memory for the comparison");
}

void comparison_free(struct comparison *c)
{
	arena_free(&c->arena);
	*c = (struct comparison){ .n = 0 };
}
