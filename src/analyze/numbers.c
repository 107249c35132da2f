#include "analyze/numbers.h"

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

/* Steps of one session and phase, in one bucket of its series. */
struct steps {
	const struct decoded *d;
	const uint16_t *at; /* (n), numbers in d */
	size_t n;
	enum phase phase;
	struct tracks *tracks;
	struct buckets *series;
	size_t bucket;
};

static void add_sum(const struct steps *s, enum metric_id m, const struct bucket_cell *sum)
{
	buckets_add_sum(s->series, s->bucket, m, sum);
	for (size_t i = 0; i < SERIES_APART_COUNT; i++)
		if (series_apart[i].metric == m && series_apart[i].phase == s->phase)
			buckets_add_sum(s->series, s->bucket, SERIES_APART + i, sum);
}

static void add_value(const struct steps *s, enum metric_id m, double v)
{
	double most = (double)BUCKETS_MOST, scaled = fmax(-most, fmin(most, v * metric_specs[m].scale));

	tracks_add_value(s->tracks, m, v);
	add_sum(s, m, &(struct bucket_cell){ .count = 1, .min = v, .max = v, .sum = llrint(scaled) });
}

static void add_decimals(const struct steps *s, enum metric_id m, const int64_t *v, size_t n)
{
	double scale = metric_specs[m].scale;
	struct range r;

	if (!n)
		return;
	r = tracks_add_decimals(s->tracks, m, v, n);
	if (r.low >= -BUCKETS_MOST && r.high <= BUCKETS_MOST) {
		add_sum(s, m, &(struct bucket_cell){ n, (double)r.low / scale, (double)r.high / scale, r.sum });
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int64_t cut = v[i] < -BUCKETS_MOST ? -BUCKETS_MOST : v[i] > BUCKETS_MOST ? BUCKETS_MOST : v[i];

		add_sum(s, m, &(struct bucket_cell){ 1, (double)v[i] / scale, (double)v[i] / scale, cut });
	}
}

/* One metric of the steps; `all`: each of them has it as a decimal. */
static void add_column(const struct steps *s, enum metric_id m, bool all)
{
	int64_t v[GROUP_MAX];
	size_t n = 0;

	for (size_t i = 0; all && i < s->n; i++)
		v[i] = s->d[s->at[i]].scaled[m];
	for (size_t i = 0; !all && i < s->n; i++) {
		const struct decoded *d = &s->d[s->at[i]];

		if (d->decimal >> m & 1)
			v[n++] = d->scaled[m];
		else if (record_has(&d->rec, m))
			add_value(s, m, d->rec.metric[m]);
	}
	add_decimals(s, m, v, all ? s->n : n);
}

static void add_steps(const struct steps *s)
{
	uint64_t any = 0, all = UINT64_MAX;

	for (size_t i = 0; i < s->n; i++) {
		any |= s->d[s->at[i]].rec.have;
		all &= s->d[s->at[i]].decimal;
	}
	for (; any; any &= any - 1) {
		int m = __builtin_ctzll(any);

		add_column(s, (enum metric_id)m, all >> m & 1);
	}
}

static void add_pairs(struct comoments *c, const struct decoded *d, const struct step_group *g)
{
	const uint64_t both = metric_bit(M_STATE_SIMILARITY) | metric_bit(M_LOGITS_ENTROPY);
	int64_t x[GROUP_MAX], y[GROUP_MAX];
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct decoded *s = &d[g->at[i]];

		if ((s->decimal & both) == both) {
			x[n] = s->scaled[M_STATE_SIMILARITY];
			y[n++] = s->scaled[M_LOGITS_ENTROPY];
		} else if ((s->rec.have & both) == both) {
			comoments_add(c, s->rec.metric[M_STATE_SIMILARITY], s->rec.metric[M_LOGITS_ENTROPY]);
		}
	}
	if (n)
		comoments_add_decimals(c, x, y, n);
}

/* What every single step is looked at for. */
static void add_each(struct numbers *n, struct tracks *tracks, const struct decoded *d, const struct step_group *g)
{
	tracks->records += g->n;
	for (size_t i = 0; i < g->n; i++) {
		const struct record *rec = &d[g->at[i]].rec;

		first_bad_nonfinite(&n->nonfinite, rec);
		norms_add(&n->norms, rec);
		for (uint64_t broken = rec->nonfinite; broken; broken &= broken - 1)
			tracks->nonfinite[__builtin_ctzll(broken)]++;
	}
}

/* Steps from `from` on that are in one bucket. */
static size_t in_one_bucket(struct buckets *series, const struct decoded *d, const struct step_group *g, size_t from, size_t *bucket)
{
	size_t n = from + 1;
	int64_t number;

	*bucket = buckets_at(series, d[g->at[from]].rec.time_us);
	number = buckets_number(series, d[g->at[from]].rec.time_us);
	while (n < g->n && buckets_number(series, d[g->at[n]].rec.time_us) == number)
		n++;
	return n - from;
}

static void numbers_add(struct numbers *n, struct buckets *series, const struct decoded *d, const struct step_group *g)
{
	struct steps s = { .d = d, .at = g->at, .phase = g->phase, .tracks = phase_of(n, g->phase), .series = series };

	if (!s.tracks)
		return;
	add_each(n, s.tracks, d, g);
	add_pairs(&n->similarity_entropy, d, g);
	for (size_t from = 0; from < g->n; from += s.n, s.at += s.n) {
		s.n = in_one_bucket(series, d, g, from, &s.bucket);
		add_steps(&s);
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

bool gather_open(struct gather *g)
{
	*g = (struct gather){ .n = 0 };
	set_scales(&g->others.similarity_entropy);
	g->failed = !open_series(&g->others);
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

static void add_group(struct gather *g, const struct decoded *d, struct step_group *group)
{
	struct numbers *n = &g->others;
	struct buckets *series = g->others.series;

	if (group->n && group->place.session >= 0)
		n = gather_session(g, (size_t)group->place.session);
	if (group->n && n && group->place.has_series && (n->series || open_series(n)))
		series = n->series;
	if (group->n && n)
		numbers_add(n, series, d, group);
	group->n = 0;
}

/* The group that a step belongs to: made empty when it was another's, or full. */
static struct step_group *group_of(struct gather *g, const struct decoded *d, struct place place, enum phase phase)
{
	struct step_group *group = &g->group[((unsigned)place.session * PHASE_COUNT + phase) % GROUPS];

	if (group->n == GROUP_MAX || group->place.session != place.session || group->phase != phase ||
	    group->place.has_series != place.has_series) {
		add_group(g, d, group);
		group->place = place;
		group->phase = phase;
	}
	return group;
}

void gather_add(struct gather *g, const struct decoded *d, size_t n)
{
	for (size_t i = 0; i < n && !g->failed; i++) {
		struct step_group *group;

		if (g->place[i].session == PLACE_NOWHERE)
			continue;
		group = group_of(g, d, g->place[i], d[i].rec.phase);
		group->at[group->n++] = (uint16_t)i;
		worst_add(&g->worst, &d[i].rec, g->place[i].session);
		sample_add(&g->sample, &d[i].rec);
		profile_add(&g->profile, &d[i].rec);
	}
	for (size_t i = 0; i < GROUPS; i++)
		add_group(g, d, &g->group[i]);
}

void gather_merge_overall(struct gather *into, const struct gather *from, const int32_t *index)
{
	worst_merge(&into->worst, &from->worst, index);
	sample_merge(&into->sample, &from->sample);
	profile_merge(&into->profile, &from->profile);
}

void gather_merge(struct gather *into, const struct gather *from)
{
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
	free(g->place);
	*g = (struct gather){ .n = 0 };
}
