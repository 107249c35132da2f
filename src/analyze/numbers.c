#include "analyze/numbers.h"

#include "analyze/ranges.h"

#include <math.h>
#include <stdlib.h>

const struct series_apart series_apart[SERIES_APART_COUNT] = {
	{ M_TOKEN_LATENCY_MS, PHASE_DECODE },
	{ M_THROUGHPUT_TPS, PHASE_DECODE },
	{ M_CHUNK_PROCESS_TIME_MS, PHASE_PREFILL },
};

static struct tracks *phase_of(struct numbers *n, enum phase phase)
{
	if (!n->phase[phase])
		n->phase[phase] = calloc(1, sizeof *n->phase[phase]);
	n->failed |= !n->phase[phase];
	return n->phase[phase];
}

static bool open_series(struct numbers *n)
{
	n->series = calloc(1, sizeof *n->series);
	n->failed |= !n->series || !buckets_open(n->series, FINDINGS_BUCKETS_MAX, SERIES_CHANNELS);
	return !n->failed;
}

static void free_series(struct numbers *n)
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

/* Steps of one session and phase that stand side by side. */
struct steps {
	const struct columns *c;
	size_t from, n;
	enum phase phase;
	struct held held;
	const struct ranges *ranges; /* NULL: the steps are not the whole run */
	struct tracks *tracks;
	struct buckets *series;
	size_t bucket; /* all of them are in it */
};

static void add_sum(const struct steps *s, enum metric_id m, const struct bucket_cell *sum)
{
	buckets_add_sum(s->series, s->bucket, m, sum);
	for (size_t i = 0; i < SERIES_APART_COUNT; i++)
		if (series_apart[i].metric == m && series_apart[i].phase == s->phase)
			buckets_add_sum(s->series, s->bucket, SERIES_APART + i, sum);
}

static void add_others(const struct steps *s, enum metric_id m, const double *v, size_t n, const struct real_range *r)
{
	tracks_add_others(s->tracks, m, v, n, r);
	add_sum(s, m, &(struct bucket_cell){ n, r->low, r->high, r->sum });
}

static void add_decimals(const struct steps *s, enum metric_id m, const int64_t *v, size_t n, const struct range *r)
{
	double scale = metric_specs[m].scale;

	tracks_add_decimals(s->tracks, m, v, n, r);
	if (r->low >= -BUCKETS_MOST && r->high <= BUCKETS_MOST) {
		add_sum(s, m, &(struct bucket_cell){ n, (double)r->low / scale, (double)r->high / scale, r->sum });
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int64_t cut = v[i] < -BUCKETS_MOST ? -BUCKETS_MOST : v[i] > BUCKETS_MOST ? BUCKETS_MOST : v[i];

		add_sum(s, m, &(struct bucket_cell){ 1, (double)v[i] / scale, (double)v[i] / scale, cut });
	}
}

/* One metric, when not all of the steps have it as a decimal. */
static void add_mixed(const struct steps *s, enum metric_id m)
{
	int64_t decimal[COLUMNS_ROWS];
	double value[COLUMNS_ROWS], other[COLUMNS_ROWS];
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

		add_decimals(s, m, decimal, decimals, &r);
	}
	if (others) {
		struct real_range r = real_range_of(other, others, metric_specs[m].scale, (double)BUCKETS_MOST);

		add_others(s, m, other, others, &r);
	}
}

/* One metric that all of the steps have as a double; false: some of these are decimals all the same. */
static bool add_doubles(const struct steps *s, enum metric_id m)
{
	const double *v = s->c->value[m] + s->from;
	struct real_range r;

	if (!range_is_plainly_other(v, s->n, metric_specs[m].scale))
		return false;
	r = s->ranges ? s->ranges->real[m] : ranges_real(s->c, s->from, s->n, m);
	add_others(s, m, v, s->n, &r);
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

			add_decimals(s, m, s->c->scaled[m] + s->from, s->n, &r);
		} else if (!(s->held.doubles >> m & 1) || !add_doubles(s, m)) {
			add_mixed(s, m);
		}
	}
}

static const uint64_t both = UINT64_C(1) << M_STATE_SIMILARITY | UINT64_C(1) << M_LOGITS_ENTROPY;

static void add_mixed_pairs(struct comoments *c, const struct steps *s)
{
	double x[COLUMNS_ROWS], y[COLUMNS_ROWS];
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

static const uint64_t rare_metrics = UINT64_C(1) << M_NONFINITE_LOGITS | UINT64_C(1) << M_NONFINITE_STATE | UINT64_C(1) << M_STATE_DRIFT;

static uint64_t is_rare(const struct columns *c, size_t row)
{
	return c->nonfinite[row] | (c->have[row] & rare_metrics) | c->whole[row];
}

/* What few steps have. */
static void add_rare(struct numbers *n, const struct steps *s)
{
	uint64_t any = 0;

	for (size_t row = s->from; row < s->from + s->n; row++)
		any |= is_rare(s->c, row);
	for (size_t row = s->from; any && row < s->from + s->n; row++) {
		struct record rec;

		if (!is_rare(s->c, row))
			continue;
		columns_record(s->c, row, &rec);
		first_bad_nonfinite(&n->nonfinite, &rec);
		norms_add(&n->norms, &rec);
		drift_add(&n->drift, &rec);
		for (uint64_t broken = rec.nonfinite; broken; broken &= broken - 1)
			s->tracks->nonfinite[__builtin_ctzll(broken)]++;
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

/* How many, from the first on, are in one bucket, and which. */
static size_t in_one_bucket(struct buckets *series, const struct columns *c, size_t from, size_t n, size_t *bucket)
{
	struct range times = range_of(c->time_us + from, n);
	size_t i = 1;
	int64_t first, next;

	*bucket = buckets_at(series, c->time_us[from]);
	buckets_times(series, c->time_us[from], &first, &next);
	if (times.low >= first && times.high < next)
		return n;
	while (i < n && c->time_us[from + i] >= first && c->time_us[from + i] < next)
		i++;
	return i;
}

static void add_phase(struct numbers *n, struct steps s)
{
	size_t end = s.from + s.n;

	s.tracks = phase_of(n, s.phase);
	if (!s.tracks)
		return;
	s.tracks->records += s.n;
	add_rare(n, &s);
	add_pairs(&n->similarity_entropy, &s);
	for (; s.from < end; s.from += s.n) {
		size_t n_left = end - s.from;

		s.n = in_one_bucket(s.series, s.c, s.from, n_left, &s.bucket);
		s.ranges = s.n == n_left ? s.ranges : NULL;
		add_steps(&s);
	}
}

static void numbers_add(struct numbers *n, struct buckets *series, const struct columns *c, const struct batch_run *run,
			const struct ranges *ranges)
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

static void merge_series(struct numbers *into, const struct buckets *from)
{
	if (from && (into->series || open_series(into)))
		buckets_merge(into->series, from);
}

void numbers_merge(struct numbers *into, const struct numbers *from)
{
	into->failed |= from->failed;
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		struct tracks *tracks = from->phase[phase] ? phase_of(into, (enum phase)phase) : NULL;

		if (tracks)
			tracks_merge(tracks, from->phase[phase]);
	}
	set_scales(&into->similarity_entropy);
	comoments_merge(&into->similarity_entropy, &from->similarity_entropy);
	first_bad_merge(&into->nonfinite, &from->nonfinite);
	norms_merge(&into->norms, &from->norms);
	drift_merge(&into->drift, &from->drift);
	merge_series(into, from->series);
}

bool numbers_failed(const struct numbers *n)
{
	bool failed = n->failed || n->norms.failed || n->similarity_entropy.failed || (n->series && n->series->failed);

	for (int phase = 0; phase < PHASE_COUNT; phase++)
		failed |= n->phase[phase] && tracks_failed(n->phase[phase]);
	return failed;
}

void numbers_free(struct numbers *n)
{
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		if (n->phase[phase])
			tracks_free(n->phase[phase]);
		free(n->phase[phase]);
	}
	comoments_free(&n->similarity_entropy);
	norms_free(&n->norms);
	free_series(n);
	*n = (struct numbers){ .failed = false };
}

bool gather_open(struct gather *g, const struct analyze_options *opts)
{
	*g = (struct gather){ .opts = opts };
	set_scales(&g->others.similarity_entropy);
	g->batch = aligned_alloc(64, sizeof *g->batch);
	g->failed = !g->batch || !open_series(&g->others);
	return !g->failed;
}

struct numbers *gather_session(struct gather *g, size_t index)
{
	if (index >= g->cap) {
		size_t cap = index < 8 ? 16 : 2 * index;
		struct numbers *grown = realloc(g->session, cap * sizeof *grown);

		if (!grown) {
			g->failed = true;
			return NULL;
		}
		g->session = grown;
		g->cap = cap;
	}
	for (; g->n <= index; g->n++) {
		g->session[g->n] = (struct numbers){ .failed = false };
		set_scales(&g->session[g->n].similarity_entropy);
	}
	return &g->session[index];
}

void gather_lose_series(struct gather *g, size_t index)
{
	if (index >= g->n || !g->session[index].series)
		return;
	merge_series(&g->others, g->session[index].series);
	free_series(&g->session[index]);
}

void gather_sort(struct gather *g, const struct columns *c)
{
	batch_sort(g->batch, c, g->opts);
}

static void add_run(struct gather *g, const struct columns *c, const struct batch_run *run)
{
	struct numbers *n = &g->others;
	struct buckets *series = g->others.series;
	struct ranges ranges;

	ranges_of(&ranges, c, run);
	if (run->place.session >= 0)
		n = gather_session(g, (size_t)run->place.session);
	if (n && run->place.has_series && (n->series || open_series(n)))
		series = n->series;
	if (n)
		numbers_add(n, series, c, run, &ranges);
	worst_add(&g->worst, c, run, &ranges);
	sample_add(&g->sample, c, run->from, run->n);
	profile_add(&g->profile, c, run, &ranges);
}

void gather_add(struct gather *g)
{
	for (size_t i = 0; i < g->batch->n_runs && !g->failed; i++)
		if (g->batch->run[i].place.session != PLACE_NOWHERE)
			add_run(g, g->batch->rows, &g->batch->run[i]);
}

void gather_merge_overall(struct gather *into, const struct gather *from, const int32_t *index)
{
	worst_merge(&into->worst, &from->worst, index);
	sample_merge(&into->sample, &from->sample);
	profile_merge(&into->profile, &from->profile);
}

/* No step was ever added. */
static bool is_empty(const struct gather *g)
{
	bool empty = !g->n && !g->failed;

	for (int phase = 0; phase < PHASE_COUNT; phase++)
		empty &= !g->others.phase[phase];
	return empty;
}

void gather_merge(struct gather *into, struct gather *from)
{
	struct gather nothing = *into;

	if (is_empty(into)) {
		*into = *from;
		*from = nothing;
		return;
	}
	into->failed |= from->failed;
	for (size_t i = 0; i < from->n; i++) {
		struct numbers *n = gather_session(into, i);

		if (n)
			numbers_merge(n, &from->session[i]);
	}
	numbers_merge(&into->others, &from->others);
	gather_merge_overall(into, from, NULL);
}

bool gather_failed(const struct gather *g)
{
	bool failed = g->failed || numbers_failed(&g->others) || g->worst.failed || g->sample.failed;

	for (size_t i = 0; i < g->n; i++)
		failed |= numbers_failed(&g->session[i]);
	return failed;
}

void gather_free(struct gather *g)
{
	for (size_t i = 0; i < g->n; i++)
		numbers_free(&g->session[i]);
	numbers_free(&g->others);
	worst_free(&g->worst);
	sample_free(&g->sample);
	free(g->session);
	free(g->batch);
	free(g->pushed);
	*g = (struct gather){ .n = 0 };
}
