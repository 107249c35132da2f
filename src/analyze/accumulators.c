/* accumulators.c - adds runs of one session's columns metric by metric: decimals as integers, other doubles exactly. */
#include "analyze/accumulators.h"

#include "analyze/ranges.h"

#include <math.h>
#include <stdlib.h>

const struct series_apart series_apart[SERIES_APART_COUNT] = {
	{ M_TOKEN_LATENCY_MS, PHASE_DECODE },
	{ M_THROUGHPUT_TPS, PHASE_DECODE },
	{ M_CHUNK_PROCESS_TIME_MS, PHASE_PREFILL },
};

static struct metric_stats *phase_of(struct accumulators *n, enum phase phase)
{
	if (!n->phase[phase])
		n->phase[phase] = calloc(1, sizeof *n->phase[phase]);
	n->failed |= !n->phase[phase];
	return n->phase[phase];
}

static bool open_series(struct accumulators *n)
{
	n->series = calloc(1, sizeof *n->series);
	n->failed |= !n->series || !buckets_open(n->series, FINDINGS_BUCKETS_MAX, SERIES_CHANNELS);
	return !n->failed;
}

static void free_series(struct accumulators *n)
{
	if (n->series)
		buckets_free(n->series);
	free(n->series);
	n->series = NULL;
}

static void set_scales(struct comoments *c)
{
	c->scale_x = metric_specs[M_STATE_SIMILARITY].scale;
	c->scale_y = metric_specs[M_LOGITS_ENTROPY].scale;
}

/* Consecutive rows with steps of one session and phase. */
struct steps {
	const struct columns *c;
	size_t from, n;
	enum phase phase;
	struct held held;
	const struct ranges *ranges; /* NULL: the steps are not the whole run */
	struct metric_stats *stats;
	struct buckets *series;
	bool one_bucket; /* all of them are in the first of: */
	const uint32_t *bucket;
};

static void add_sum_to(const struct steps *s, size_t channel, const struct bucket_cell *sum)
{
	buckets_add_sum(s->series, s->bucket[0], channel, sum);
}

/* Adds values of one metric, all in one bucket of the series. */
static void add_sum(const struct steps *s, enum metric_id m, const struct bucket_cell *sum)
{
	add_sum_to(s, m, sum);
	for (size_t i = 0; i < SERIES_APART_COUNT; i++)
		if (series_apart[i].metric == m && series_apart[i].phase == s->phase)
			add_sum_to(s, SERIES_APART + i, sum);
}

/* The same if each value has its own bucket. */
static void add_rows(const struct steps *s, enum metric_id m, const uint32_t *bucket, const double *value,
		     const int64_t *sum, size_t n)
{
	buckets_add_rows(s->series, m, bucket, value, sum, n);
	for (size_t i = 0; i < SERIES_APART_COUNT; i++)
		if (series_apart[i].metric == m && series_apart[i].phase == s->phase)
			buckets_add_rows(s->series, SERIES_APART + i, bucket, value, sum, n);
}

static void add_decimal_rows(const struct steps *s, enum metric_id m, const int64_t *v)
{
	double scale = metric_specs[m].scale;

	buckets_add_decimals(s->series, m, s->bucket, v, scale, s->n);
	for (size_t i = 0; i < SERIES_APART_COUNT; i++)
		if (series_apart[i].metric == m && series_apart[i].phase == s->phase)
			buckets_add_decimals(s->series, SERIES_APART + i, s->bucket, v, scale, s->n);
}

static int64_t cut(int64_t v)
{
	return v < -BUCKETS_MOST ? -BUCKETS_MOST : v > BUCKETS_MOST ? BUCKETS_MOST : v;
}

static int64_t rounded(double v, double scale)
{
	const double most = (double)BUCKETS_MOST;
	double scaled = v * scale;

	return llrint(scaled > most ? most : scaled < -most ? -most : scaled);
}

/* All of the steps have the metric, and none as a decimal. */
static void add_others(const struct steps *s, enum metric_id m, const double *v, const struct real_range *r)
{
	double scale = metric_specs[m].scale;
	int64_t sum[RANGE_MOST];

	metric_stats_add_others(s->stats, m, v, s->n, r);
	if (s->one_bucket) {
		add_sum(s, m, &(struct bucket_cell){ s->n, r->low, r->high, r->sum });
		return;
	}
	for (size_t i = 0; i < s->n; i++)
		sum[i] = rounded(v[i], scale);
	add_rows(s, m, s->bucket, v, sum, s->n);
}

/* All of the steps have the metric as a decimal. */
static void add_decimals(const struct steps *s, enum metric_id m, const int64_t *v, const struct range *r)
{
	bool is_cut = r->low < -BUCKETS_MOST || r->high > BUCKETS_MOST;
	double scale = metric_specs[m].scale, value[RANGE_MOST];
	int64_t sum[RANGE_MOST];

	metric_stats_add_decimals(s->stats, m, v, s->n, r);
	if (s->one_bucket && !is_cut) {
		add_sum(s, m, &(struct bucket_cell){ s->n, (double)r->low / scale, (double)r->high / scale, r->sum });
		return;
	}
	if (!is_cut) {
		add_decimal_rows(s, m, v);
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		value[i] = (double)v[i] / scale;
		sum[i] = cut(v[i]);
	}
	if (!s->one_bucket)
		add_rows(s, m, s->bucket, value, sum, s->n);
	for (size_t i = 0; s->one_bucket && i < s->n; i++)
		add_sum(s, m, &(struct bucket_cell){ 1, value[i], value[i], sum[i] });
}

/* One metric of the series, when not all of the steps have it as a decimal. */
static void add_mixed_rows(const struct steps *s, enum metric_id m)
{
	double scale = metric_specs[m].scale;

	for (size_t row = s->from; row < s->from + s->n; row++) {
		uint32_t bucket = s->bucket[s->one_bucket ? 0 : row - s->from];
		int64_t sum;
		double value;

		if (!(s->c->have[row] >> m & 1))
			continue;
		value = columns_value(s->c, row, m);
		sum = s->c->decimal[row] >> m & 1 ? cut(s->c->scaled[m][row]) : rounded(value, scale);
		add_rows(s, m, &bucket, &value, &sum, 1);
	}
}

static void add_mixed(const struct steps *s, enum metric_id m)
{
	int64_t decimal[RANGE_MOST];
	double value[RANGE_MOST], other[RANGE_MOST];
	size_t decimals = 0, values = 0, others;

	for (size_t row = s->from; row < s->from + s->n; row++)
		if (s->c->decimal[row] >> m & 1)
			decimal[decimals++] = s->c->scaled[m][row];
		else if (s->c->have[row] >> m & 1)
			value[values++] = s->c->value[m][row];
	others = values - moments_part(metric_specs[m].scale, value, values, decimal + decimals, other);
	decimals += values - others;
	if (decimals) {
		struct range r = range_of(decimal, decimals);

		metric_stats_add_decimals(s->stats, m, decimal, decimals, &r);
	}
	if (others) {
		struct real_range r = real_range_of(other, others, metric_specs[m].scale, (double)BUCKETS_MOST);

		metric_stats_add_others(s->stats, m, other, others, &r);
	}
	add_mixed_rows(s, m);
}

/* Adds a metric that all of the steps have as a double; false: some of these are decimals after all. */
static bool add_doubles(const struct steps *s, enum metric_id m)
{
	const double *v = s->c->value[m] + s->from;
	struct real_range r;

	if (!range_is_plainly_other(v, s->n, metric_specs[m].scale))
		return false;
	r = s->ranges ? s->ranges->real[m] : ranges_real(s->c, s->from, s->n, m);
	add_others(s, m, v, &r);
	return true;
}

/* One metric that all of the steps have as a decimal. */
static struct range range_of_steps(const struct steps *s, enum metric_id m)
{
	return s->ranges ? s->ranges->decimal[m] : range_of(s->c->scaled[m] + s->from, s->n);
}

static void add_steps(const struct steps *s)
{
	for (uint64_t any = s->held.any; any; any &= any - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(any);

		if (s->held.decimals >> m & 1) {
			struct range r = range_of_steps(s, m);

			add_decimals(s, m, s->c->scaled[m] + s->from, &r);
		} else if (!(s->held.doubles >> m & 1) || !add_doubles(s, m)) {
			add_mixed(s, m);
		}
	}
}

static const uint64_t both = UINT64_C(1) << M_STATE_SIMILARITY | UINT64_C(1) << M_LOGITS_ENTROPY;

static void add_mixed_pairs(struct comoments *c, const struct steps *s)
{
	double x[RANGE_MOST], y[RANGE_MOST];
	size_t n = 0;

	for (size_t row = s->from; row < s->from + s->n; row++)
		if ((s->c->have[row] & both) == both) {
			x[n] = columns_value(s->c, row, M_STATE_SIMILARITY);
			y[n++] = columns_value(s->c, row, M_LOGITS_ENTROPY);
		}
	comoments_add_pairs(c, x, y, n);
}

static void add_pairs(struct comoments *c, const struct steps *s)
{
	const int64_t *x = s->c->scaled[M_STATE_SIMILARITY], *y = s->c->scaled[M_LOGITS_ENTROPY];

	if ((s->held.decimals & both) == both) {
		struct range of_x = range_of_steps(s, M_STATE_SIMILARITY), of_y = range_of_steps(s, M_LOGITS_ENTROPY);

		comoments_add_decimals(c, x + s->from, y + s->from, s->n, &of_x, &of_y);
		return;
	}
	if ((s->held.any & both) == both)
		add_mixed_pairs(c, s);
}

static uint64_t is_rare(const struct columns *c, size_t row)
{
	return c->nonfinite[row] | (c->have[row] & (nonfinite_metrics | metric_bit(M_STATE_DRIFT))) | c->whole[row];
}

/* Adds what only few steps have. */
static void add_rare(struct accumulators *n, const struct steps *s)
{
	uint64_t any = 0;

	for (size_t row = s->from; row < s->from + s->n; row++)
		any |= is_rare(s->c, row);
	for (size_t row = s->from; any && row < s->from + s->n; row++) {
		struct record rec;

		if (!is_rare(s->c, row))
			continue;
		columns_record(s->c, row, &rec);
		first_bad_nonfinite(&n->nonfinite, s->c, row, &rec);
		norms_add(&n->norms, &rec);
		drift_add(&n->drift, &rec);
		for (uint64_t broken = rec.nonfinite; broken; broken &= broken - 1)
			s->stats->nonfinite[__builtin_ctzll(broken)]++;
	}
}

/* How many of them, from the first on, have the same phase. */
static size_t in_one_phase(const struct columns *c, size_t from, size_t n)
{
	size_t i = 1;

	while (i < n && c->phase[from + i] == c->phase[from])
		i++;
	return i;
}

static void add_phase(struct accumulators *n, struct steps s)
{
	uint32_t bucket[RANGE_MOST];

	s.stats = phase_of(n, s.phase);
	if (!s.stats)
		return;
	s.stats->records += s.n;
	add_rare(n, &s);
	add_pairs(&n->similarity_entropy, &s);
	s.one_bucket = buckets_places(s.series, s.c->time_us + s.from, s.n, bucket);
	s.bucket = bucket;
	add_steps(&s);
}

static void accumulators_add(struct accumulators *n, struct buckets *series, const struct columns *c,
			     const struct batch_run *run, const struct ranges *ranges)
{
	struct steps s = { .c = c, .held = run->held, .series = series };
	size_t end = (size_t)run->from + run->n;

	for (s.from = run->from; s.from < end; s.from += s.n) {
		s.n = run->one_phase ? run->n : in_one_phase(c, s.from, end - s.from);
		s.ranges = s.n == run->n ? ranges : NULL;
		s.phase = (enum phase)c->phase[s.from];
		add_phase(n, s);
	}
}

static void merge_series(struct accumulators *into, const struct buckets *from)
{
	if (from && (into->series || open_series(into)))
		buckets_merge(into->series, from);
}

static void accumulators_merge(struct accumulators *into, const struct accumulators *from)
{
	into->failed |= from->failed;
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		struct metric_stats *stats = from->phase[phase] ? phase_of(into, (enum phase)phase) : NULL;

		if (stats)
			metric_stats_merge(stats, from->phase[phase]);
	}
	set_scales(&into->similarity_entropy);
	comoments_merge(&into->similarity_entropy, &from->similarity_entropy);
	first_bad_merge(&into->nonfinite, &from->nonfinite);
	norms_merge(&into->norms, &from->norms);
	drift_merge(&into->drift, &from->drift);
	merge_series(into, from->series);
}

static bool accumulators_failed(const struct accumulators *n)
{
	bool failed = n->failed || n->norms.failed || n->similarity_entropy.failed || (n->series && n->series->failed);

	for (int phase = 0; phase < PHASE_COUNT; phase++)
		failed |= n->phase[phase] && metric_stats_failed(n->phase[phase]);
	return failed;
}

static void accumulators_free(struct accumulators *n)
{
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		if (n->phase[phase])
			metric_stats_free(n->phase[phase]);
		free(n->phase[phase]);
	}
	comoments_free(&n->similarity_entropy);
	norms_free(&n->norms);
	free_series(n);
	*n = (struct accumulators){ .failed = false };
}

bool gathering_open(struct gathering *g, const struct analyze_options *opts)
{
	*g = (struct gathering){ .opts = opts };
	set_scales(&g->others.similarity_entropy);
	g->batch = batch_open();
	g->parked = NULL;
	g->failed = !g->batch || !open_series(&g->others);
	return !g->failed;
}

struct accumulators *gathering_session(struct gathering *g, size_t index)
{
	if (index >= g->cap) {
		size_t cap = index < 8 ? 16 : 2 * index;
		struct accumulators *grown = realloc(g->session, cap * sizeof *grown);

		if (!grown) {
			g->failed = true;
			return NULL;
		}
		g->session = grown;
		g->cap = cap;
	}
	for (; g->n <= index; g->n++) {
		g->session[g->n] = (struct accumulators){ .failed = false };
		set_scales(&g->session[g->n].similarity_entropy);
	}
	return &g->session[index];
}

void gathering_lose_series(struct gathering *g, size_t index)
{
	if (index >= g->n || !g->session[index].series)
		return;
	merge_series(&g->others, g->session[index].series);
	free_series(&g->session[index]);
}

bool gathering_park(struct gathering *g)
{
	struct batch *other = g->parked ? g->parked : batch_open();

	if (!other)
		return false;
	g->parked = g->batch;
	g->batch = other;
	return true;
}

size_t gathering_sort(struct gathering *g, const struct columns *c)
{
	batch_sort(g->batch, c, g->opts);
	return batch_rows_wanted(g->batch);
}

static void add_run(struct gathering *g, const struct columns *c, const struct batch_run *run)
{
	struct accumulators *n = &g->others;
	struct buckets *series = g->others.series;
	struct ranges ranges;

	ranges_of(&ranges, c, run);
	if (run->place.session >= 0) {
		n = gathering_session(g, (size_t)run->place.session);
		g->n_used += n && !n->phase[PHASE_UNKNOWN] && !n->phase[PHASE_PREFILL] && !n->phase[PHASE_DECODE];
	}
	if (n && run->place.has_series && (n->series || open_series(n)))
		series = n->series;
	if (n)
		accumulators_add(n, series, c, run, &ranges);
	worst_add(&g->worst, c, run, &ranges);
	sample_add(&g->sample, c, run->from, run->n);
	profile_add(&g->profile, c, run, &ranges);
}

/* Tables of many sessions together exceed the caches: those of a run come while the one before it is added. */
static void fetch_tables(const struct gathering *g, const struct batch_run *run)
{
	const int32_t at = run->place.session;
	const struct accumulators *n = at < 0 ? &g->others : (size_t)at < g->n ? &g->session[at] : NULL;
	const struct metric_stats *stats = n ? n->phase[g->batch->rows->phase[run->from]] : NULL;

	for (uint64_t left = stats ? run->held.decimals : 0; left; left &= left - 1)
		metric_stats_fetch(stats, (enum metric_id)__builtin_ctzll(left));
}

void gathering_add(struct gathering *g)
{
	const struct batch_run *run = g->batch->run, *end = run + g->batch->n_runs;

	for (; run < end && !g->failed; run++) {
		if (run + 1 < end)
			fetch_tables(g, run + 1);
		if (run->place.session != PLACE_NOWHERE)
			add_run(g, g->batch->rows, run);
	}
}

size_t gathering_sessions(const struct gathering *g)
{
	return g->n_used;
}

/* No step was ever added. */
static bool is_empty(const struct gathering *g)
{
	bool empty = !g->n && !g->failed;

	for (int phase = 0; phase < PHASE_COUNT; phase++)
		empty &= !g->others.phase[phase];
	return empty;
}

void gathering_merge(struct gathering *into, struct gathering *from)
{
	struct gathering nothing = *into;

	if (is_empty(into)) {
		*into = *from;
		*from = nothing;
		return;
	}
	into->failed |= from->failed;
	for (size_t i = 0; i < from->n; i++) {
		struct accumulators *n = gathering_session(into, i);

		if (n)
			accumulators_merge(n, &from->session[i]);
		accumulators_free(&from->session[i]);
	}
	accumulators_merge(&into->others, &from->others);
	worst_merge(&into->worst, &from->worst);
	sample_merge(&into->sample, &from->sample);
	profile_merge(&into->profile, &from->profile);
}

bool gathering_failed(const struct gathering *g)
{
	bool failed = g->failed || accumulators_failed(&g->others) || g->worst.failed || g->sample.failed;

	for (size_t i = 0; i < g->n; i++)
		failed |= accumulators_failed(&g->session[i]);
	return failed;
}

void gathering_free(struct gathering *g)
{
	for (size_t i = 0; i < g->n; i++)
		accumulators_free(&g->session[i]);
	accumulators_free(&g->others);
	worst_free(&g->worst);
	sample_free(&g->sample);
	free(g->session);
	free(g->batch);
	free(g->parked);
	*g = (struct gathering){ .n = 0 };
}
