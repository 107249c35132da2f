#include "analyze/numbers.h"

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

static void add_to_series(struct buckets *b, const struct record *rec)
{
	size_t at = buckets_at(b, rec->time_us);

	for (uint64_t have = rec->have; have; have &= have - 1) {
		int m = __builtin_ctzll(have);

		buckets_add(b, at, (size_t)m, metric_specs[m].scale, rec->metric[m]);
	}
	for (size_t i = 0; i < SERIES_APART_COUNT; i++) {
		enum metric_id m = series_apart[i].metric;

		if (rec->phase == series_apart[i].phase && record_has(rec, m))
			buckets_add(b, at, SERIES_APART + i, metric_specs[m].scale, rec->metric[m]);
	}
}

static void numbers_add(struct numbers *n, const struct record *rec)
{
	struct tracks *tracks = phase_of(n, rec->phase);

	if (tracks)
		tracks_add(tracks, rec);
	if (record_has(rec, M_STATE_SIMILARITY) && record_has(rec, M_LOGITS_ENTROPY))
		comoments_add(&n->similarity_entropy, rec->metric[M_STATE_SIMILARITY], rec->metric[M_LOGITS_ENTROPY]);
	first_bad_nonfinite(&n->nonfinite, rec);
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
	merge_series(into, from->series);
}

bool numbers_failed(const struct numbers *n)
{
	bool failed = n->failed || n->similarity_entropy.failed || (n->series && n->series->failed);

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

static void add_step(struct gather *g, const struct place *place, const struct record *rec)
{
	struct numbers *n = &g->others;

	if (place->session >= 0)
		n = (size_t)place->session < g->n ? &g->session[place->session] : gather_session(g, (size_t)place->session);
	if (!n)
		return;
	numbers_add(n, rec);
	worst_add(&g->worst, rec, place->session);
	sample_add(&g->sample, rec);
	profile_add(&g->profile, rec);
	if (place->has_series && (n->series || open_series(n)))
		add_to_series(n->series, rec);
	else
		add_to_series(g->others.series, rec);
}

void gather_add(struct gather *g, const struct record *rec, size_t n)
{
	for (size_t i = 0; i < n && !g->failed; i++)
		if (g->place[i].session != PLACE_NOWHERE)
			add_step(g, &g->place[i], &rec[i]);
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
