#include "analyze/tracks.h"

#include "stats/quantiles.h"

#include <math.h>
#include <stdlib.h>

/* Similarities crowd at 1: what counts is how far they are from it. */
static bool is_similarity(enum metric_id m)
{
	return m == M_STATE_SIMILARITY || m == M_STATE_SIMILARITY_SHIFT || m == M_STATE_SIMILARITY_WKV;
}

static struct track *track_of(struct tracks *t, enum metric_id m)
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

static void sketch_value(struct track *track, enum metric_id m, double v, uint64_t times)
{
	sketch_add_times(&track->sketch, is_similarity(m) ? 1 - v : v, times);
}

/* A walk over counts goes on in a track. */
struct pour {
	struct track *into;
	enum metric_id metric;
};

static void pour_into_sketch(void *ctx, int64_t value, uint32_t count)
{
	struct pour *p = ctx;

	sketch_value(p->into, p->metric, (double)value / metric_specs[p->metric].scale, count);
}

static void spill(struct track *track, enum metric_id m)
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

void tracks_add_decimals(struct tracks *t, enum metric_id m, const int64_t *v, size_t n, const struct range *r)
{
	struct track *track = track_of(t, m);
	size_t at = 0;

	if (!track)
		return;
	moments_add_decimals(&track->moments, v, n, r);
	if (!track->spilled && r->low == r->high)
		at = counts_add_times(&track->counts, r->low, (uint32_t)n) ? n : 0;
	else if (!track->spilled)
		at = counts_add(&track->counts, v, n, r->low, r->high);
	if (at == n)
		return;
	spill(track, m);
	sketch_add_decimals(&track->sketch, v + at, n - at, metric_specs[m].scale, is_similarity(m));
}

void tracks_add_others(struct tracks *t, enum metric_id m, const double *v, size_t n, const struct real_range *r)
{
	struct track *track = track_of(t, m);
	double complement[RANGE_MOST];

	if (!track)
		return;
	moments_add_others(&track->moments, v, n, r);
	spill(track, m);
	for (size_t i = 0; is_similarity(m) && i < n; i++)
		complement[i] = 1 - v[i];
	sketch_add_all(&track->sketch, is_similarity(m) ? complement : v, n);
}

/* Any values. */
static void add_values(struct tracks *t, enum metric_id m, const double *v, size_t n)
{
	int64_t decimal[RANGE_MOST];
	double other[RANGE_MOST];
	size_t decimals = moments_part(metric_specs[m].scale, v, n, decimal, other);

	if (decimals) {
		struct range r = range_of(decimal, decimals);

		tracks_add_decimals(t, m, decimal, decimals, &r);
	}
	if (decimals < n) {
		struct real_range r = real_range_of(other, n - decimals, 1, 0);

		tracks_add_others(t, m, other, n - decimals, &r);
	}
}

void tracks_add(struct tracks *t, const struct record *rec)
{
	t->records++;
	for (uint64_t have = rec->have; have; have &= have - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(have);

		add_values(t, m, &rec->metric[m], 1);
	}
	for (uint64_t broken = rec->nonfinite; broken; broken &= broken - 1)
		t->nonfinite[__builtin_ctzll(broken)]++;
}

void tracks_merge(struct tracks *into, const struct tracks *from)
{
	into->records += from->records;
	into->failed |= from->failed;
	for (int m = 0; m < METRIC_COUNT; m++) {
		struct track *track = from->metric[m] ? track_of(into, (enum metric_id)m) : NULL;

		into->nonfinite[m] += from->nonfinite[m];
		if (!track)
			continue;
		moments_merge(&track->moments, &from->metric[m]->moments);
		if (from->metric[m]->spilled) {
			spill(track, (enum metric_id)m);
			sketch_merge(&track->sketch, &from->metric[m]->sketch);
		} else if (track->spilled || !counts_add_table(&track->counts, &from->metric[m]->counts)) {
			counts_walk(&from->metric[m]->counts, pour_into_track, &(struct pour){ track, (enum metric_id)m });
		}
	}
}

bool tracks_failed(const struct tracks *t)
{
	bool failed = t->failed;

	for (int m = 0; m < METRIC_COUNT; m++)
		if (t->metric[m])
			failed |= t->metric[m]->moments.failed || t->metric[m]->sketch.failed || t->metric[m]->counts.failed;
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
static void track_walk(const struct track *track, sketch_visit *visit, void *ctx)
{
	if (track->spilled)
		sketch_walk(&track->sketch, visit, ctx);
	else
		counts_walk(&track->counts, pass_on, &(struct passed_on){ visit, ctx, track->moments.scale });
}

static void exact_quantiles(const struct track *track, const double q[4], double out[4])
{
	struct quantiles qs = quantiles_of(q, 4, track->counts.n);

	counts_visit_quantiles(&track->counts, track->moments.scale, &qs);
	quantiles_tell(&qs, track->moments.min, track->moments.max, out);
}

static void quantiles(const struct track *track, bool of_complement, double out[4])
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

void tracks_summary(const struct tracks *t, enum metric_id m, struct summary *out)
{
	const struct track *track = t->metric[m];
	double nan = (double)NAN, q[4];

	*out = (struct summary){ .nonfinite = t->nonfinite[m], .min = nan, .max = nan, .mean = nan, .stddev = nan,
				 .p50 = nan, .p90 = nan, .p95 = nan, .p99 = nan };
	if (track) {
		quantiles(track, is_similarity(m), q);
		*out = (struct summary){ .count = track->moments.count, .nonfinite = t->nonfinite[m],
					 .min = track->moments.min, .max = track->moments.max,
					 .mean = moments_mean(&track->moments),
					 .stddev = moments_stddev(&track->moments),
					 .p50 = q[0], .p90 = q[1], .p95 = q[2], .p99 = q[3] };
	}
	out->missing = t->records - out->count - out->nonfinite;
}

void tracks_summaries(const struct tracks *t, struct summary out[METRIC_COUNT])
{
	for (int m = 0; m < METRIC_COUNT; m++)
		tracks_summary(t, (enum metric_id)m, &out[m]);
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

void tracks_histogram(const struct tracks *t, enum metric_id m, struct histogram *out)
{
	const struct track *track = t->metric[m];
	struct spread spread = { .h = out };

	*out = (struct histogram){ .n = 0 };
	if (!track || track->moments.max <= 0 || is_similarity(m))
		return;
	out->low = track->moments.min;
	out->high = track->moments.max;
	if (out->low <= 0)
		track_walk(track, least_positive, &out->low);
	out->n = out->low < out->high ? FINDINGS_HISTOGRAM_BINS : 1;
	spread.log_low = log10(out->low);
	if (out->n > 1)
		spread.bins_per_log = (double)out->n / (log10(out->high) - spread.log_low);
	track_walk(track, spread_run, &spread);
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

void tracks_walk(const struct tracks *t, enum metric_id m, sketch_visit *visit, void *ctx)
{
	struct mirror mirror = { visit, ctx };

	if (!t->metric[m])
		return;
	if (is_similarity(m) && t->metric[m]->spilled)
		sketch_walk(&t->metric[m]->sketch, visit_mirrored, &mirror);
	else
		track_walk(t->metric[m], visit, ctx);
}

void tracks_free(struct tracks *t)
{
	for (int m = 0; m < METRIC_COUNT; m++)
		if (t->metric[m]) {
			moments_free(&t->metric[m]->moments);
			counts_free(&t->metric[m]->counts);
			sketch_free(&t->metric[m]->sketch);
			free(t->metric[m]);
		}
	*t = (struct tracks){ .records = 0 };
}
