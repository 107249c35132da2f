/* metric_stats.c - exact counts of decimals until there are too many different ones, then a sketch; sums beside
 * them. */
#include "analyze/metric_stats.h"

#include "stats/quantiles.h"

#include <math.h>
#include <stdlib.h>

static struct metric_stat *track_of(struct metric_stats *t, enum metric_id m)
{
	if (!t->metric[m]) {
		t->metric[m] = calloc(1, sizeof *t->metric[m]);
		if (t->metric[m])
			t->metric[m]->moments.scale = metric_specs[m].scale;
		else
			t->failed = true;
	}
	return t->metric[m];
}

static void sketch_value(struct metric_stat *track, enum metric_id m, double v, uint64_t times)
{
	sketch_add_times(&track->sketch, metric_is_similarity(m) ? 1 - v : v, times);
}

/* A walk over counts goes on in a track. */
struct pour {
	struct metric_stat *into;
	enum metric_id metric;
};

static void pour_into_sketch(void *ctx, int64_t value, uint32_t count)
{
	struct pour *p = ctx;

	sketch_value(p->into, p->metric, (double)value / metric_specs[p->metric].scale, count);
}

static void spill(struct metric_stat *track, enum metric_id m)
{
	if (track->spilled)
		return;
	counts_walk(&track->counts, pour_into_sketch, &(struct pour){ track, m });
	track->sketch.failed |= track->counts.failed;
	counts_free(&track->counts);
	track->spilled = true;
}

static void pour_into_track(void *ctx, int64_t value, uint32_t count)
{
	struct pour *p = ctx;

	if (!p->into->spilled && counts_add_times(&p->into->counts, value, count))
		return;
	spill(p->into, p->metric);
	pour_into_sketch(ctx, value, count);
}

/* Decimals within low..high go into the table, or what it has no room for into the sketch. */
static void count(struct metric_stat *track, enum metric_id m, const int64_t *v, size_t n, int64_t low, int64_t high)
{
	size_t at = 0;

	if (!track->spilled && low == high)
		at = counts_add_times(&track->counts, low, (uint32_t)n) ? n : 0;
	else if (!track->spilled)
		at = counts_add(&track->counts, v, n, low, high);
	if (at == n)
		return;
	spill(track, m);
	sketch_add_decimals(&track->sketch, v + at, n - at, metric_specs[m].scale, metric_is_similarity(m));
}

/* The few that were kept are counted. */
static void settle(struct metric_stat *track, enum metric_id m)
{
	struct range r;

	if (!track->n_few)
		return;
	r = range_of(track->few, track->n_few);
	count(track, m, track->few, track->n_few, r.low, r.high);
	free(track->few);
	track->few = NULL;
	track->n_few = 0;
}

static bool keep_few(struct metric_stat *track, const int64_t *v, size_t n)
{
	size_t cap = 4;
	int64_t *few = track->few;

	if (track->spilled || track->counts.n || track->n_few + n > METRIC_FEW)
		return false;
	while (cap < track->n_few + n)
		cap *= 2;
	if (!track->n_few || (track->n_few <= cap / 2 && cap > 4))
		few = realloc(track->few, cap * sizeof *few);
	if (!few)
		return false;
	memcpy(few + track->n_few, v, n * sizeof *v);
	track->few = few;
	track->n_few += n;
	return true;
}

static void add_numbers(struct metric_stat *track, enum metric_id m, const int64_t *v, size_t n, const struct range *r)
{
	if (keep_few(track, v, n))
		return;
	settle(track, m);
	count(track, m, v, n, r->low, r->high);
}

/* The same with nothing kept apart, to be read; `whole_end` when that is done. */
static struct metric_stat whole_of(const struct metric_stat *track, enum metric_id m)
{
	struct metric_stat whole = *track;
	struct range r;

	if (!track->n_few)
		return whole;
	r = range_of(track->few, track->n_few);
	count(&whole, m, track->few, track->n_few, r.low, r.high);
	return whole;
}

static void whole_end(struct metric_stat *whole)
{
	if (!whole->n_few)
		return;
	counts_free(&whole->counts);
	sketch_free(&whole->sketch);
}

void metric_stats_add_decimals(struct metric_stats *t, enum metric_id m, const int64_t *v, size_t n,
			       const struct range *r)
{
	struct metric_stat *track = track_of(t, m);

	if (!track)
		return;
	moments_add_decimals(&track->moments, v, n, r);
	add_numbers(track, m, v, n, r);
}

void metric_stats_fetch(const struct metric_stats *t, enum metric_id m)
{
	if (t->metric[m])
		counts_fetch(&t->metric[m]->counts);
}

void metric_stats_add_others(struct metric_stats *t, enum metric_id m, const double *v, size_t n,
			     const struct real_range *r)
{
	struct metric_stat *track = track_of(t, m);
	double complement[RANGE_MOST];

	if (!track)
		return;
	moments_add_others(&track->moments, v, n, r);
	settle(track, m);
	spill(track, m);
	for (size_t i = 0; metric_is_similarity(m) && i < n; i++)
		complement[i] = 1 - v[i];
	sketch_add_all(&track->sketch, metric_is_similarity(m) ? complement : v, n);
}

/* Any values. */
static void add_values(struct metric_stats *t, enum metric_id m, const double *v, size_t n)
{
	int64_t decimal[RANGE_MOST];
	double other[RANGE_MOST];
	size_t decimals = moments_part(metric_specs[m].scale, v, n, decimal, other);

	if (decimals) {
		struct range r = range_of(decimal, decimals);

		metric_stats_add_decimals(t, m, decimal, decimals, &r);
	}
	if (decimals < n) {
		struct real_range r = real_range_of(other, n - decimals, 1, 0);

		metric_stats_add_others(t, m, other, n - decimals, &r);
	}
}

void metric_stats_add(struct metric_stats *t, const struct record *rec)
{
	t->records++;
	for (uint64_t have = rec->have; have; have &= have - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(have);

		add_values(t, m, &rec->metric[m], 1);
	}
	for (uint64_t broken = rec->nonfinite; broken; broken &= broken - 1)
		t->nonfinite[__builtin_ctzll(broken)]++;
}

static void merge_metric(struct metric_stat *into, const struct metric_stat *from, enum metric_id m)
{
	moments_merge(&into->moments, &from->moments);
	if (from->n_few) {
		struct range r = range_of(from->few, from->n_few);

		add_numbers(into, m, from->few, from->n_few, &r);
		return;
	}
	settle(into, m);
	if (from->spilled) {
		spill(into, m);
		sketch_merge(&into->sketch, &from->sketch);
	} else if (into->spilled) {
		counts_walk(&from->counts, pour_into_sketch, &(struct pour){ into, m });
	} else if (!counts_add_table(&into->counts, &from->counts)) {
		counts_walk(&from->counts, pour_into_track, &(struct pour){ into, m });
	}
}

void metric_stats_merge(struct metric_stats *into, const struct metric_stats *from)
{
	into->records += from->records;
	into->failed |= from->failed;
	for (int m = 0; m < METRIC_COUNT; m++) {
		struct metric_stat *track = from->metric[m] ? track_of(into, (enum metric_id)m) : NULL;

		into->nonfinite[m] += from->nonfinite[m];
		if (track)
			merge_metric(track, from->metric[m], (enum metric_id)m);
	}
}

bool metric_stats_failed(const struct metric_stats *t)
{
	bool failed = t->failed;

	for (int m = 0; m < METRIC_COUNT; m++)
		if (t->metric[m])
			failed |= t->metric[m]->moments.failed || t->metric[m]->sketch.failed ||
				  t->metric[m]->counts.failed;
	return failed;
}

/* Passes a walk over counts on as one over values. */
struct passed_on {
	sketch_visit *visit;
	void *ctx;
	double scale;
};

static void pass_on(void *ctx, int64_t value, uint32_t count)
{
	struct passed_on *p = ctx;
	double v = (double)value / p->scale;

	p->visit(p->ctx, v, v, count);
}

/* For similarities that have spilled, of 1 - value. */
static void track_walk(const struct metric_stat *track, sketch_visit *visit, void *ctx)
{
	if (track->spilled)
		sketch_walk(&track->sketch, visit, ctx);
	else
		counts_walk(&track->counts, pass_on, &(struct passed_on){ visit, ctx, track->moments.scale });
}

static void exact_quantiles(const struct metric_stat *track, const double q[4], double out[4])
{
	struct quantiles qs = quantiles_of(q, 4, track->counts.n);

	counts_visit_quantiles(&track->counts, track->moments.scale, &qs);
	quantiles_tell(&qs, track->moments.min, track->moments.max, out);
}

static void quantiles(const struct metric_stat *track, bool of_complement, double out[4])
{
	static const double straight[4] = { 0.5, 0.9, 0.95, 0.99 }, mirrored[4] = { 0.01, 0.05, 0.1, 0.5 };
	double min = track->moments.min, max = track->moments.max, got[4];

	if (!track->spilled && track->counts.n) {
		exact_quantiles(track, straight, out);
		return;
	}
	if (!of_complement) {
		sketch_quantiles(&track->sketch, min, max, straight, out, 4);
		return;
	}
	sketch_quantiles(&track->sketch, 1 - max, 1 - min, mirrored, got, 4);
	for (int i = 0; i < 4; i++)
		out[i] = fmin(max, fmax(min, 1 - got[3 - i]));
}

void metric_stats_summary(const struct metric_stats *t, enum metric_id m, struct summary *out)
{
	const struct metric_stat *track = t->metric[m];
	double nan = (double)NAN, q[4];

	*out = (struct summary){ .nonfinite = t->nonfinite[m],
				 .min = nan,
				 .max = nan,
				 .mean = nan,
				 .stddev = nan,
				 .p50 = nan,
				 .p90 = nan,
				 .p95 = nan,
				 .p99 = nan };
	if (track) {
		struct metric_stat whole = whole_of(track, m);

		quantiles(&whole, metric_is_similarity(m), q);
		whole_end(&whole);
		*out = (struct summary){ .count = track->moments.count,
					 .nonfinite = t->nonfinite[m],
					 .min = track->moments.min,
					 .max = track->moments.max,
					 .mean = moments_mean(&track->moments),
					 .stddev = moments_stddev(&track->moments),
					 .p50 = q[0],
					 .p90 = q[1],
					 .p95 = q[2],
					 .p99 = q[3] };
	}
	out->missing = t->records - out->count - out->nonfinite;
}

void metric_stats_summaries(const struct metric_stats *t, struct summary out[METRIC_COUNT])
{
	for (int m = 0; m < METRIC_COUNT; m++)
		metric_stats_summary(t, (enum metric_id)m, &out[m]);
}

/* Where the values of a walk fall in a histogram's bins. */
struct spread {
	struct histogram *h;
	double log_low, bins_per_log;
};

static double bin_of(const struct spread *s, double value)
{
	double at = value > 0 ? (log10(value) - s->log_low) * s->bins_per_log : -1;

	return fmin(fmax(at, 0), (double)s->h->n);
}

/* Spreads the run evenly over the bins it covers; cumulative rounding loses no count. */
static void spread_run(void *ctx, double low, double high, uint64_t count)
{
	struct spread *s = ctx;
	double from = bin_of(s, low), to = bin_of(s, high);
	size_t first = (size_t)from, last = (size_t)to;
	uint64_t given = 0;

	if (high <= 0)
		return;
	first = first < s->h->n ? first : s->h->n - 1;
	last = last < s->h->n ? last : s->h->n - 1;
	for (size_t i = first; i <= last; i++) {
		double share = i == last ? 1 : ((double)(i + 1) - from) / (to - from);
		uint64_t upto = i == last ? count : (uint64_t)(share * (double)count);

		s->h->bin[i] += upto - given;
		given = upto;
	}
}

static void least_positive(void *ctx, double low, double high, uint64_t count)
{
	double *least = ctx;

	(void)count;
	if (high > 0 && *least <= 0)
		*least = low > 0 ? low : high;
}

void metric_stats_histogram(const struct metric_stats *t, enum metric_id m, struct histogram *out)
{
	const struct metric_stat *track = t->metric[m];
	struct spread spread = { .h = out };
	struct metric_stat whole;

	*out = (struct histogram){ .n = 0 };
	if (!track || track->moments.max <= 0 || metric_is_similarity(m))
		return;
	whole = whole_of(track, m);
	out->low = track->moments.min;
	out->high = track->moments.max;
	if (out->low <= 0)
		track_walk(&whole, least_positive, &out->low);
	out->n = out->low < out->high ? FINDINGS_HISTOGRAM_BINS : 1;
	spread.log_low = log10(out->low);
	if (out->n > 1)
		spread.bins_per_log = (double)out->n / (log10(out->high) - spread.log_low);
	track_walk(&whole, spread_run, &spread);
	whole_end(&whole);
}

/* Runs of 1 - value become runs of the value. */
struct mirror {
	sketch_visit *visit;
	void *ctx;
};

static void visit_mirrored(void *ctx, double low, double high, uint64_t count)
{
	const struct mirror *m = ctx;

	m->visit(m->ctx, 1 - high, 1 - low, count);
}

void metric_stats_walk(const struct metric_stats *t, enum metric_id m, sketch_visit *visit, void *ctx)
{
	struct mirror mirror = { visit, ctx };

	struct metric_stat whole;

	if (!t->metric[m])
		return;
	whole = whole_of(t->metric[m], m);
	if (metric_is_similarity(m) && whole.spilled)
		sketch_walk(&whole.sketch, visit_mirrored, &mirror);
	else
		track_walk(&whole, visit, ctx);
	whole_end(&whole);
}

/* --- parts ------------------------------------------------------------------------- */

void metric_stats_add_rows(struct metric_stats *t, const struct columns *c, size_t from, size_t n, uint64_t any)
{
	t->records += n;
	for (; any; any &= any - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(any);
		int64_t decimal[RANGE_MOST];
		double other[RANGE_MOST];
		size_t decimals = 0, others = 0;

		for (size_t row = from; row < from + n; row++)
			if (c->decimal[row] >> m & 1)
				decimal[decimals++] = c->scaled[m][row];
			else if (c->have[row] >> m & 1)
				other[others++] = c->value[m][row];
		if (decimals) {
			struct range r = range_of(decimal, decimals);

			metric_stats_add_decimals(t, m, decimal, decimals, &r);
		}
		if (others)
			add_values(t, m, other, others);
	}
}

bool metric_stats_part(const struct metric_stats *t, enum metric_id m, struct metric_part *out, struct sketch *values)
{
	struct metric_stat whole;

	*out = (struct metric_part){ .count = 0 };
	if (!t->metric[m])
		return true;
	*out = (struct metric_part){ t->metric[m]->moments.count, moments_sum(&t->metric[m]->moments),
				     t->metric[m]->moments.min, t->metric[m]->moments.max };
	whole = whole_of(t->metric[m], m);
	if (whole.spilled) {
		sketch_merge(values, &whole.sketch);
	} else {
		struct metric_stat into = { .sketch = *values, .spilled = true };

		counts_walk(&whole.counts, pour_into_sketch, &(struct pour){ &into, m });
		*values = into.sketch;
		values->failed |= whole.counts.failed;
	}
	whole_end(&whole);
	return !values->failed;
}

/* Squares of distances from the mean of the runs; values are spread evenly over the width of theirs. */
static double squares_of(const struct sketch_run *run, size_t n)
{
	double count = 0, sum = 0, squares = 0, mean;

	for (size_t i = 0; i < n; i++) {
		count += (double)run[i].n;
		sum += run[i].value * (double)run[i].n;
	}
	mean = count > 0 ? sum / count : 0;
	for (size_t i = 0; i < n; i++) {
		const double off = run[i].value - mean, width = sketch_run_width(&run[i]);

		squares += (off * off + width * width / 12) * (double)run[i].n;
	}
	return squares;
}

void metric_stats_take(struct metric_stats *t, enum metric_id m, const struct metric_part *part,
		       const struct sketch_run *run, size_t n)
{
	struct metric_stat *track = track_of(t, m);

	if (!track)
		return;
	moments_take(&track->moments, part->count, part->sum, squares_of(run, n), part->min, part->max);
	settle(track, m);
	spill(track, m);
	for (size_t i = 0; i < n; i++)
		sketch_add_run(&track->sketch, &run[i]);
}

void metric_stats_free(struct metric_stats *t)
{
	for (int m = 0; m < METRIC_COUNT; m++)
		if (t->metric[m]) {
			moments_free(&t->metric[m]->moments);
			free(t->metric[m]->few);
			counts_free(&t->metric[m]->counts);
			sketch_free(&t->metric[m]->sketch);
			free(t->metric[m]);
		}
	*t = (struct metric_stats){ .records = 0 };
}
