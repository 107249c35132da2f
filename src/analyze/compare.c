/* compare.c - computes differences with confidence intervals from the blocks of two sides. */
#include "analyze/compare_side.h"

#include "base/array.h"
#include "spec/diagnosis.h"
#include "stats/student.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWS = 1000, BINS_MAX = 2048, STEPS_LEAST = 20, UNITS_LEAST = 2, SAMPLES_LEAST = 6 };

/* Minimum number of independent stretches of steps per side for an interval. */
static const double INDEPENDENT_LEAST = 4;

static const enum metric_id speed[] = { M_TOKEN_LATENCY_MS, M_THROUGHPUT_TPS, M_CHUNK_PROCESS_TIME_MS };

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
	size_t units[2];     /* blocks with a value */
	uint64_t *count[2];  /* (bins), of a whole side */
	uint32_t side, unit; /* of the cells that are added now */
	uint32_t run[2][COMPARE_BLOCKS];
	size_t runs[2];
	bool failed;
};

static void add_cell(void *ctx, double low, double high, uint64_t count)
{
	struct table *t = ctx;

	if (!array_grow(&t->cell, t->n, &t->cap, 1024, sizeof *t->cell)) {
		t->failed = true;
		return;
	}
	t->cell[t->n++] =
		(struct cell){ .value = low + (high - low) / 2, .count = count, .side = t->side, .unit = t->unit };
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

/* Blocks without a value of the metric are no units. */
static void add_side(struct table *t, const struct compare_side *s, uint32_t side, enum metric_id m, enum phase phase)
{
	uint32_t run[COMPARE_BLOCKS], again[COMPARE_BLOCKS];

	compare_side_runs(s, run);
	memset(again, 0xff, sizeof again);
	t->side = side;
	for (size_t i = 0; i < s->n; i++) {
		size_t before = t->n;

		t->unit = (uint32_t)t->units[side];
		metric_stats_walk(&s->block[i]->phase[phase], m, add_cell, t);
		if (t->n == before)
			continue;
		if (again[run[i]] == UINT32_MAX)
			again[run[i]] = (uint32_t)t->runs[side]++;
		t->run[side][t->units[side]++] = again[run[i]];
	}
}

/* False when memory is out. */
static bool make_table(struct table *t, const struct compare_side *const side[2], enum metric_id m, enum phase phase)
{
	*t = (struct table){ .n = 0 };
	for (uint32_t i = 0; i < 2; i++)
		add_side(t, side[i], i, m, phase);
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

static void add_cells(const struct table *t, size_t from, size_t to, uint64_t *count)
{
	for (size_t i = from; i < to; i++)
		count[t->cell[i].bin] += t->cell[i].count;
}

/* Units of one side, drawn as often as there are: their counts. `start` (units + 1): where their cells begin. */
static void draw(const struct table *t, size_t units, const size_t *start, uint64_t *random, uint64_t *count)
{
	memset(count, 0, t->bins * sizeof *count);
	for (size_t k = 0; k < units; k++) {
		size_t unit = (size_t)(next_random(random) % units);

		add_cells(t, start[unit], start[unit + 1], count);
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

/* Consecutive blocks of a run are correlated if the metric's memory is longer than a block: uses the correlation of
 * their means, corrected for bias. */
static double independent_blocks(const struct table *t, uint32_t side, const double *mean)
{
	double together = 0, apart = 0, of_run[COMPARE_BLOCKS] = { 0 }, r, n = (double)t->units[side];
	size_t in_run[COMPARE_BLOCKS] = { 0 };

	for (size_t i = 0; i < t->units[side]; i++) {
		of_run[t->run[side][i]] += mean[i];
		in_run[t->run[side][i]]++;
	}
	for (size_t i = 0; i < t->units[side]; i++) {
		uint32_t run = t->run[side][i];
		double off = mean[i] - of_run[run] / (double)in_run[run];

		apart += off * off;
		if (i && t->run[side][i - 1] == run)
			together += off * (mean[i - 1] - of_run[run] / (double)in_run[run]);
	}
	r = apart > 0 ? fmax(together / apart, 0) : 0;
	r = fmin(r + (apart > 0 ? (1 + 4 * r) / n : 0), 0.95);
	return n * (1 - r) / (1 + r);
}

/* Each block's mean. */
static void block_means(const struct table *t, uint32_t side, const size_t *start, double *mean)
{
	for (size_t unit = 0; unit < t->units[side]; unit++) {
		double sum = 0, n = 0;

		for (size_t i = start[unit]; i < start[unit + 1]; i++) {
			sum += (double)t->cell[i].count * t->value[t->cell[i].bin];
			n += (double)t->cell[i].count;
		}
		mean[unit] = sum / n;
	}
}

/* Each run's statistics: of[COMPARED_COUNT * run + which]. */
static void run_statistics(const struct table *t, uint32_t side, const struct drawing *d, double *of)
{
	for (size_t run = 0; run < t->runs[side]; run++) {
		memset(d->count, 0, t->bins * sizeof *d->count);
		for (size_t unit = 0; unit < t->units[side]; unit++)
			if (t->run[side][unit] == run)
				add_cells(t, d->start[side][unit], d->start[side][unit + 1], d->count);
		statistics(t, d->count, of + COMPARED_COUNT * run);
	}
}

/* A difference as a share of A. Of 0, anything but nothing is more than every share. */
static double share_of(double difference, double a)
{
	if (a != 0 || isnan(difference))
		return difference / fabs(a);
	return difference == 0 ? 0 : copysign(INFINITY, difference);
}

static void set_interval(struct estimate *e, double low, double high)
{
	e->low = low;
	e->high = high;
	e->relative_low = share_of(low, e->a);
	e->relative_high = share_of(high, e->a);
}

/* As of a normal distribution whose middle 95 % are the interval. */
static double chance_of_interval(const struct estimate *e)
{
	double reach = e->difference > 0 ? e->difference - e->low : e->high - e->difference;

	if (!(reach > 0))
		return e->difference == 0 ? 1 : 0;
	return student_chance(student_reach(limit_of(T_DOUBT), INFINITY) * e->difference / reach, INFINITY);
}

/* Drawn differences as they came out, around their center, widened, as far as there are values: no time is less than 0.
 * They are sorted. */
static void interval_of_draws(struct estimate *e, double *drawn, double center, double widen, const struct table *t)
{
	const double least = t->value[0] >= 0 ? -e->a : -INFINITY;
	size_t n = 0;

	for (size_t i = 0; i < DRAWS; i++)
		if (isfinite(drawn[i])) /* a draw may have no step of the phase */
			drawn[n++] = drawn[i];
	if (n < DRAWS / 2)
		return;
	sort_doubles(drawn, n);
	set_interval(e, fmax(e->difference + widen * (drawn[n / 40] - center), least),
		     e->difference + widen * (drawn[n - 1 - n / 40] - center));
	e->chance = chance_of_interval(e);
}

static double variance_of(const double *v, size_t n)
{
	double mean = 0, square = 0;

	for (size_t i = 0; i < n; i++)
		mean += v[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		square += (v[i] - mean) * (v[i] - mean);
	return square / (double)(n - 1);
}

static bool all_positive(const double *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(v[i * COMPARED_COUNT] > 0))
			return false;
	return true;
}

/* One statistic of a side's runs, or its logarithm: their mean, and the variance of that. */
struct level {
	double mean, variance;
};

static struct level level_of(const double *v, size_t n, bool shares)
{
	double of[COMPARE_BLOCKS];
	struct level l = { .mean = 0 };

	for (size_t i = 0; i < n; i++) {
		of[i] = shares ? log(v[i * COMPARED_COUNT]) : v[i * COMPARED_COUNT];
		l.mean += of[i] / (double)n;
	}
	l.variance = variance_of(of, n) / (double)n;
	return l;
}

/* Satterthwaite's: fewer, when one side's runs lie farther apart than the other's. Of few runs that is seen only
 * roughly, so each side's variance is taken halfway to that of both: as few as Welch's test allows would cost a third
 * of the power between sides that are alike. */
static double freedom_of(const struct level side[2], const size_t n[2])
{
	double pooled = 0, sum = 0, parts = 0;

	for (int i = 0; i < 2; i++)
		pooled += side[i].variance * (double)n[i] * (double)(n[i] - 1) / (double)(n[0] + n[1] - 2);
	for (int i = 0; i < 2; i++) {
		double part = (side[i].variance + pooled / (double)n[i]) / 2;

		sum += part;
		parts += part * part / (double)(n[i] - 1);
	}
	return parts > 0 ? sum * sum / parts : (double)(n[0] + n[1] - 2);
}

static void set_levels(struct estimate *e, double a, double b)
{
	e->a = a;
	e->b = b;
	e->difference = b - a;
	e->relative = share_of(b - a, a);
}

/* Student's interval from one number per run of a side (n[0] and n[1] of them), of logarithms if all are positive; the
 * estimate becomes that of a typical run, the (geometric) mean of each side's, because only its error is known: steps
 * of all runs together have their median near the middle run's and their p95 near the slowest's. The error is at least
 * that of the block bootstrap, because few runs may be close together by chance. */
static void interval_of_runs(struct estimate *e, const double *const run[2], const size_t n[2], const double *drawn)
{
	bool shares = all_positive(run[0], n[0]) && all_positive(run[1], n[1]);
	struct level side[2] = { level_of(run[0], n[0], shares), level_of(run[1], n[1], shares) };
	double freedom = freedom_of(side, n), center = side[1].mean - side[0].mean, error, least, reach;

	set_levels(e, shares ? exp(side[0].mean) : side[0].mean, shares ? exp(side[1].mean) : side[1].mean);
	error = sqrt(side[0].variance + side[1].variance);
	least = sqrt(variance_of(drawn, DRAWS)) / (shares ? sqrt(e->a * e->b) : 1);
	error = isfinite(least) ? fmax(error, least) : error;
	if (!isfinite(error))
		return;
	e->chance = error > 0 ? student_chance(center / error, freedom) : center == 0;
	reach = error * student_reach(limit_of(T_DOUBT), freedom);
	if (shares)
		set_interval(e, e->a * expm1(center - reach), e->a * expm1(center + reach));
	else
		set_interval(e, center - reach, center + reach);
}

/* With few independent blocks, intervals would be too narrow: they are widened as in Student's distribution, and by the
 * ratio of blocks to independent blocks. */
static double widening(const struct table *t, const double independent[2])
{
	double least = fmin(independent[0], independent[1]);
	double memory = fmax((double)t->units[0] / independent[0], (double)t->units[1] / independent[1]);

	return sqrt(memory * least / (least - 1)) * student_reach(limit_of(T_DOUBT), least - 1) /
	       student_reach(limit_of(T_DOUBT), INFINITY);
}

static bool enough_runs(const struct table *t)
{
	return t->runs[0] >= COMPARE_RUNS && t->runs[1] >= COMPARE_RUNS;
}

/* False when memory is out. */
static bool estimate(const struct table *t, struct difference *row)
{
	struct arena arena = { 0 };
	struct drawing d;
	double of[2][COMPARED_COUNT], *run[2], mean[COMPARE_BLOCKS];
	bool fine = make_drawing(t, &d, &arena), by_run = enough_runs(t);

	for (int side = 0; side < 2; side++)
		run[side] = arena_alloc(&arena, t->runs[side] * COMPARED_COUNT + 1, sizeof **run);
	fine &= !arena.failed;
	if (fine)
		draw_all(t, &d);
	for (uint32_t side = 0; fine && side < 2; side++) {
		statistics(t, t->count[side], of[side]);
		run_statistics(t, side, &d, run[side]);
		block_means(t, side, d.start[side], mean);
		row->independent[side] = by_run ? (double)t->runs[side] : independent_blocks(t, side, mean);
	}
	for (int i = 0; fine && i < COMPARED_COUNT; i++)
		if (by_run)
			interval_of_runs(&row->of[i], (const double *const[]){ run[0] + i, run[1] + i }, t->runs,
					 d.difference[i]);
		else if (fmin(row->independent[0], row->independent[1]) >= INDEPENDENT_LEAST)
			interval_of_draws(&row->of[i], d.difference[i], of[1][i] - of[0][i],
					  widening(t, row->independent), t);
	arena_free(&arena);
	return fine;
}

/* --- verdicts -------------------------------------------------------------------------- */

static enum difference_verdict side_of(enum metric_id m, const struct estimate *e)
{
	enum metric_better better = metric_specs[m].better;
	bool higher = e->difference > 0;

	if (better == BETTER_NEITHER)
		return higher ? DIFFERENCE_HIGHER : DIFFERENCE_LOWER;
	return higher == (better == BETTER_HIGHER) ? DIFFERENCE_BETTER : DIFFERENCE_WORSE;
}

static bool is_wide(const struct estimate *e)
{
	return !isnan(e->relative_low) && fmax(-e->relative_low, e->relative_high) > limit_of(T_TOO_WIDE);
}

/* *reason comes in as what is known of the metric's steps. */
static enum difference_verdict judge(enum metric_id m, const struct estimate *e, bool by_run,
				     enum difference_reason *reason)
{
	bool holds_nothing = e->low <= 0 && 0 <= e->high;

	if (*reason == REASON_NONE && (!isfinite(e->low) || !isfinite(e->high)))
		*reason = REASON_FEW_STEPS;
	if (*reason == REASON_NONE && holds_nothing && is_wide(e))
		*reason = REASON_WIDE;
	if (*reason != REASON_NONE)
		return DIFFERENCE_UNKNOWN;
	if (holds_nothing || fabs(e->relative) < limit_of(T_MATTERS))
		return DIFFERENCE_NONE;
	*reason = by_run ? REASON_NONE : REASON_FEW_RUNS;
	return by_run ? side_of(m, e) : DIFFERENCE_IN_RUNS;
}

static void summarize(const struct compare_side *s, enum metric_id m, enum phase phase, struct summary *out, bool *fine)
{
	struct metric_stats whole = { .records = 0 };

	for (size_t i = 0; i < s->n; i++)
		metric_stats_merge(&whole, &s->block[i]->phase[phase]);
	metric_stats_summary(&whole, m, out);
	*fine &= !metric_stats_failed(&whole);
	metric_stats_free(&whole);
}

static struct estimate point_of(double a, double b)
{
	double nan = (double)NAN, difference = b - a;

	return (struct estimate){ a, b, difference, nan, nan, share_of(difference, a), nan, nan, nan };
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

/* A level that changes at events and not by sampling is known exactly, no matter how often it is written. */
static bool is_sampled(enum metric_id m)
{
	return metric_specs[m].group == METRIC_RESOURCES && m != M_STATE_SIZE_BYTES && m != M_VRAM_USED_MB &&
	       m != M_PROCESS_VRAM_MB;
}

/* The reason, if any, why nothing can be said about this metric. */
static enum difference_reason steps_of(const struct difference *row, const struct compare_side *const side[2],
				       const struct table *t)
{
	for (int i = 0; i < 2; i++) {
		const struct summary *s = i ? &row->b : &row->a;

		if (s->count < STEPS_LEAST || t->units[i] < UNITS_LEAST)
			return REASON_FEW_STEPS;
		if (!enough_runs(t) && is_sampled(row->metric) &&
		    side[i]->samples[row->phase][row->metric].n < SAMPLES_LEAST)
			return REASON_FEW_SAMPLES;
	}
	return REASON_NONE;
}

/* Intervals and verdicts; false when memory is out. */
static bool judge_row(struct difference *row, const struct compare_side *const side[2], const struct table *t)
{
	bool by_run = enough_runs(t);
	enum difference_reason p95;

	row->reason = steps_of(row, side, t);
	if (row->reason == REASON_NONE && !estimate(t, row))
		return false;
	if (row->reason == REASON_NONE && !by_run && fmin(row->independent[0], row->independent[1]) < INDEPENDENT_LEAST)
		row->reason = REASON_SHORT_RUNS;
	p95 = row->reason;
	row->median = judge(row->metric, &row->of[COMPARED_MEDIAN], by_run, &row->reason);
	row->p95 = judge(row->metric, &row->of[COMPARED_P95], by_run, &p95);
	return true;
}

/* One metric in one phase; false when memory is out. */
static bool compare_row(struct comparison *c, const struct compare_side *const side[2], enum metric_id m,
			enum phase phase)
{
	struct difference *row = &c->row[c->n];
	struct table table;
	bool fine = true;

	*row = (struct difference){
		.metric = m, .phase = phase, .cliffs_delta = (double)NAN, .independent = { (double)NAN, (double)NAN }
	};
	summarize(side[0], m, phase, &row->a, &fine);
	summarize(side[1], m, phase, &row->b, &fine);
	if (!fine || !row->a.count || !row->b.count)
		return fine;
	c->n++;
	points(row);
	fine = make_table(&table, side, m, phase);
	if (fine) {
		row->cliffs_delta = cliffs_delta(&table);
		fine = judge_row(row, side, &table);
	}
	free_table(&table);
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

/* The verdict is that of the decode speed, or of the next available speed. */
static void decide(struct comparison *c)
{
	for (size_t i = 0; i < sizeof speed / sizeof *speed && !c->deciding; i++) {
		const struct difference *row = comparison_row(c, speed[i], PHASE_UNKNOWN);

		if (row && row->reason != REASON_FEW_STEPS)
			c->deciding = row;
	}
	c->verdict = c->deciding ? c->deciding->median : DIFFERENCE_UNKNOWN;
}

/* --- many questions at once ------------------------------------------------------------- */

/* The verdict's question, in its three units. */
static bool is_decisive(const struct comparison *c, const struct difference *d)
{
	bool is_speed = false;

	for (size_t i = 0; i < sizeof speed / sizeof *speed; i++)
		is_speed |= d->metric == speed[i];
	return is_speed && c->deciding && d->phase == c->deciding->phase;
}

/* The largest chance with which a difference is told: of n equals one in twenty would be told by its own interval, so
 * that of all that are told no more than that share may be wrong (Benjamini and Hochberg). < 0: none is. */
static double chance_allowed(const struct comparison *c, double *chance)
{
	double allowed = -1;
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		for (int which = COMPARED_MEDIAN; which <= COMPARED_P95; which++)
			if (isfinite(c->row[i].of[which].chance))
				chance[n++] = c->row[i].of[which].chance;
	sort_doubles(chance, n);
	for (size_t i = 0; i < n; i++)
		if (chance[i] <= limit_of(T_DOUBT) * (double)(i + 1) / (double)n)
			allowed = chance[i];
	return allowed;
}

static bool is_told(enum difference_verdict v)
{
	return v != DIFFERENCE_UNKNOWN && v != DIFFERENCE_NONE;
}

/* Takes back what is told of other metrics than the decisive one, as far as so many comparisons bring that about by
 * chance. */
static void judge_together(struct comparison *c, double *scratch)
{
	double allowed = chance_allowed(c, scratch);

	for (size_t i = 0; i < c->n; i++) {
		struct difference *d = &c->row[i];

		if (is_told(d->p95) && d->of[COMPARED_P95].chance > allowed)
			d->p95 = DIFFERENCE_UNKNOWN;
		if (is_decisive(c, d) || !is_told(d->median) || d->of[COMPARED_MEDIAN].chance <= allowed)
			continue;
		d->median = DIFFERENCE_UNKNOWN;
		d->reason = REASON_MANY;
	}
}

/* Undecided, and by so much that nobody may be told that there is no difference. */
static bool is_suspect(const struct difference *d)
{
	return d->median == DIFFERENCE_UNKNOWN && fabs(d->of[COMPARED_MEDIAN].relative) >= limit_of(T_SUSPECT);
}

/* Where decoding does not differ, the verdict is that of the prompts' speed, if that does or may. */
static void look_at_prompts(struct comparison *c)
{
	for (size_t i = 0; i < sizeof speed / sizeof *speed && c->verdict == DIFFERENCE_NONE; i++) {
		const struct difference *row = comparison_row(c, speed[i], PHASE_PREFILL);

		if (!row || row->phase != PHASE_PREFILL || !(is_told(row->median) || is_suspect(row)))
			continue;
		c->deciding = row;
		c->verdict = row->median;
	}
}

static struct compared_side about(const struct compare_side *s)
{
	uint32_t run[COMPARE_BLOCKS];

	return (struct compared_side){ .sessions = sessions_listed(&s->sessions) + s->sessions.n_other,
				       .records = s->records,
				       .left_out = s->left_out,
				       .failed_requests = s->failed_requests,
				       .runs = compare_side_runs(s, run) };
}

int compare_sides(const struct compare_side *a, const struct compare_side *b, struct comparison *out, struct err *err)
{
	static const enum phase order[] = { PHASE_DECODE, PHASE_PREFILL, PHASE_UNKNOWN };
	const struct compare_side *const side[2] = { a, b };
	bool fine = !compare_side_failed(a) && !compare_side_failed(b);
	double *scratch;

	*out = (struct comparison){ .n = 0 };
	for (int i = 0; i < 2; i++)
		out->side[i] = about(side[i]);
	out->by_run = out->side[0].runs >= COMPARE_RUNS && out->side[1].runs >= COMPARE_RUNS;
	for (int i = 0; i < 2; i++)
		out->side[i].units = out->by_run ? out->side[i].runs : side[i]->n;
	out->row = arena_alloc(&out->arena, METRIC_COUNT * PHASE_COUNT + 1, sizeof *out->row);
	scratch = arena_alloc(&out->arena, 2 * METRIC_COUNT * PHASE_COUNT, sizeof *scratch);
	fine &= out->row && scratch;
	for (size_t k = 0; k < sizeof order / sizeof *order; k++)
		for (int m = 0; fine && m < METRIC_COUNT; m++)
			fine = compare_row(out, side, (enum metric_id)m, order[k]);
	decide(out);
	if (fine) {
		judge_together(out, scratch);
		look_at_prompts(out);
		return 0;
	}
	comparison_free(out);
	return err_set(err, ERR_NOMEM, "no memory for the comparison");
}

void comparison_free(struct comparison *c)
{
	arena_free(&c->arena);
	*c = (struct comparison){ .n = 0 };
}
