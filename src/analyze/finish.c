/* finish.c - the numbers gathered become findings. */
#include "analyze/analysis.h"
#include "analyze/course.h"
#include "analyze/instances.h"
#include "analyze/verdict.h"

#include <math.h>
#include <stdlib.h>

static const char *copy(struct arena *arena, const char *text)
{
	return arena_copy(arena, slice_of(text ? text : ""));
}

static void take_input(struct findings *f, const struct input_stats *in)
{
	f->files = arena_alloc(&f->arena, in->n_files + 1, sizeof *f->files);
	for (size_t i = 0; f->files && i < in->n_files; i++)
		f->files[f->n_files++] = copy(&f->arena, in->files[i]);
	f->bytes = in->bytes;
	f->lines = in->lines;
	f->skipped_lines = in->skipped_lines;
	for (size_t i = 0; i < in->n_skipped; i++) {
		const struct skipped_line *s = &in->skipped[i];

		f->skipped[f->n_skipped++] =
			(struct skipped_line){ copy(&f->arena, s->file), s->line, copy(&f->arena, s->reason) };
	}
}

/* Of one session, its phases together; most sessions have one phase worth merging. */
static bool session_summaries(const struct numbers *n, struct summary out[METRIC_COUNT])
{
	const struct tracks *only = NULL;
	struct tracks whole = { .records = 0 };
	int phases = 0;
	bool failed;

	for (int phase = 0; phase < PHASE_COUNT; phase++)
		if (n->phase[phase]) {
			only = n->phase[phase];
			phases++;
		}
	for (int phase = 0; phases > 1 && phase < PHASE_COUNT; phase++)
		if (n->phase[phase])
			tracks_merge(&whole, n->phase[phase]);
	tracks_summaries(phases == 1 ? only : &whole, out);
	failed = tracks_failed(phases == 1 ? only : &whole);
	tracks_free(&whole);
	return !failed;
}

static struct bucket *bucket_row(struct arena *arena, const struct buckets *b, size_t channel, double scale, size_t n)
{
	struct bucket *row = b->cell[channel] ? arena_alloc(arena, n, sizeof *row) : NULL;

	for (size_t i = 0; row && i < n; i++) {
		const struct bucket_cell *cell = buckets_cell(b, channel, b->first + (int64_t)i);
		double mean = (double)cell->sum / ((double)cell->count * scale);

		if (cell->count)
			row[i] = (struct bucket){ cell->count, cell->min, cell->max,
						  fmax(cell->min, fmin(cell->max, mean)) };
	}
	return row;
}

static void take_series(struct arena *arena, const struct buckets *b, struct series *out)
{
	int64_t width_us = (int64_t)1000 << b->width_bits;

	*out = (struct series){ .from_us = b->first * width_us, .width_us = width_us,
				.n = b->any ? (size_t)(b->last - b->first + 1) : 0 };
	for (size_t m = 0; m < METRIC_COUNT; m++)
		out->metric[m] = bucket_row(arena, b, m, metric_specs[m].scale, out->n);
	for (size_t i = 0; i < SERIES_APART_COUNT; i++) {
		enum metric_id m = series_apart[i].metric;

		out->apart[m] = bucket_row(arena, b, SERIES_APART + i, metric_specs[m].scale, out->n);
	}
}

static void take_state(struct arena *arena, const struct session *s, const struct numbers *n, struct session_findings *out)
{
	const struct summary *change = &out->metric[M_STATE_CHANGE];

	out->state = (struct state_evolution){
		.path = change->count ? change->mean * (double)change->count : (double)NAN,
		.pairs = n->similarity_entropy.count,
		.first_nonfinite = n->nonfinite,
		.first_bad = s->first_bad,
		.drift = n->drift,
	};
	out->state.layer = norms_tell(&n->norms, arena, &out->state.n_layers);
	first_bad_merge(&out->state.first_bad, &n->nonfinite);
	out->similarity_entropy_pearson = comoments_pearson(&n->similarity_entropy);
	out->collapse_warning = out->similarity_entropy_pearson < -0.5 && out->state.pairs >= FINDINGS_COLLAPSE_PAIRS;
}

static bool take_session(struct arena *arena, const struct session *s, const struct numbers *n,
			 struct session_findings *out)
{
	bool fine;

	*out = (struct session_findings){
		.session_id = copy(arena, s->id),
		.model_name = copy(arena, s->model_name),
		.strategy = copy(arena, s->strategy),
		.instance = copy(arena, s->instance),
		.records = s->records,
		.tokens = s->tokens,
		.sequences = (uint64_t)s->last_sequence - s->first_sequence + 1,
		.from_us = s->from_us,
		.to_us = s->to_us,
	};
	fine = session_summaries(n, out->metric);
	take_state(arena, s, n, out);
	for (int phase = 0; phase < PHASE_COUNT; phase++)
		out->jitter[phase] = jitter_of(&s->jitter.sum[phase]);
	return fine;
}

static bool take_sessions(struct findings *f, const struct analysis *a)
{
	const struct sessions *t = &a->sessions;
	bool fine = a->gather.n == t->n_listed;

	f->sessions_total = t->n_listed + t->n_other;
	f->session = arena_alloc(&f->arena, t->n_listed + 1, sizeof *f->session);
	for (size_t i = 0; fine && f->session && i < t->n_listed; i++)
		fine &= take_session(&f->arena, t->listed[i], &a->gather.session[i], &f->session[f->n_sessions++]);
	return fine;
}

/* The largest sessions keep their series, in `session[i].series`. */
static void chart_sessions(struct findings *f, const struct analysis *a)
{
	bool charted[SERIES_OWNERS_MAX] = { false };

	for (size_t round = 0; round < a->n_owners && round < FINDINGS_CHARTED_SESSIONS; round++) {
		size_t best = SERIES_OWNERS_MAX, i;
		struct series *series = arena_alloc(&f->arena, 1, sizeof *series);

		for (size_t k = 0; k < a->n_owners; k++)
			if (!charted[k] &&
			    (best == SERIES_OWNERS_MAX || a->owner[k]->records > a->owner[best]->records))
				best = k;
		charted[best] = true;
		i = a->owner[best]->index;
		if (!series || i >= f->n_sessions || !a->gather.session[i].series)
			return;
		take_series(&f->arena, a->gather.session[i].series, series);
		f->session[i].series = series;
	}
}

static bool whole_series(struct findings *f, const struct analysis *a)
{
	const struct gather *g = &a->gather;
	struct buckets whole;
	bool fine;

	if (!a->n_owners) {
		take_series(&f->arena, g->others.series, &f->series);
		return true;
	}
	fine = buckets_open(&whole, FINDINGS_BUCKETS_MAX, SERIES_CHANNELS);
	if (fine)
		buckets_merge(&whole, g->others.series);
	for (size_t i = 0; fine && i < g->n; i++)
		if (g->session[i].series)
			buckets_merge(&whole, g->session[i].series);
	fine &= !whole.failed;
	if (fine)
		take_series(&f->arena, &whole, &f->series);
	buckets_free(&whole);
	return fine;
}

/* All steps of one phase, and the same added to `whole`. */
static bool take_phase(struct findings *f, const struct analysis *a, enum phase phase, struct tracks *whole)
{
	struct tracks of_phase = { .records = 0 };
	bool fine;

	if (a->gather.others.phase[phase])
		tracks_merge(&of_phase, a->gather.others.phase[phase]);
	for (size_t i = 0; i < a->gather.n; i++)
		if (a->gather.session[i].phase[phase])
			tracks_merge(&of_phase, a->gather.session[i].phase[phase]);
	tracks_summaries(&of_phase, f->phase[phase]);
	tracks_histogram(&of_phase, M_TOKEN_LATENCY_MS, &f->latency[phase]);
	tracks_merge(whole, &of_phase);
	fine = !tracks_failed(&of_phase);
	tracks_free(&of_phase);
	return fine;
}

static bool take_metrics(struct findings *f, const struct analysis *a)
{
	struct tracks whole = { .records = 0 };
	bool fine = true;

	for (int phase = 0; phase < PHASE_COUNT; phase++)
		fine &= take_phase(f, a, (enum phase)phase, &whole);
	tracks_summaries(&whole, f->metric);
	fine &= !tracks_failed(&whole);
	tracks_free(&whole);
	return fine;
}

static void take_course(struct findings *f)
{
	struct change_point *change = arena_alloc(&f->arena, METRIC_COUNT * FINDINGS_CHANGES_MAX, sizeof *change);

	f->change = change;
	for (int m = 0; m < METRIC_COUNT; m++) {
		course_trend(&f->series, (enum metric_id)m, &f->trend[m]);
		if (change)
			f->n_changes += course_changes(&f->series, (enum metric_id)m, &change[f->n_changes]);
	}
}

/* What is kept of all steps together. */
static void take_overall(struct findings *f, const struct analysis *a)
{
	const char **id = arena_alloc(&f->arena, f->n_sessions + 1, sizeof *id);
	bool varies[METRIC_COUNT];

	for (size_t i = 0; id && i < f->n_sessions; i++)
		id[i] = f->session[i].session_id;
	for (int m = 0; m < METRIC_COUNT; m++)
		varies[m] = f->metric[m].min < f->metric[m].max;
	if (id)
		f->worst = worst_list(&a->gather.worst, &f->arena, id, varies, &f->n_worst);
	f->correlation = arena_alloc(&f->arena, PAIR_COUNT, sizeof *f->correlation);
	if (f->correlation)
		f->n_correlations = sample_correlations(&a->gather.sample, f->correlation);
	profile_tell(&a->gather.profile, f);
	for (int phase = 0; phase < PHASE_COUNT; phase++)
		f->jitter[phase] = jitter_of(&a->jitter[phase]);
}

static void take_words(struct arena *arena, const char *const *words, const char *out[LANG_COUNT])
{
	for (int lang = 0; words && lang < LANG_COUNT; lang++)
		out[lang] = copy(arena, words[lang]);
}

static void take_anomalies(struct findings *f, const struct analysis *a)
{
	f->rule_set = copy(&f->arena, a->opts.rules ? ruleset_name(a->opts.rules) : "");
	f->limit = limits_list(&a->limits, &f->arena, &f->n_limits);
	f->anomaly_records = a->violating;
	memcpy(f->anomaly_by_type, a->by_type, sizeof f->anomaly_by_type);
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		take_words(&f->arena, a->summary[type], f->anomaly_summary[type]);
		take_words(&f->arena, a->advice[type], f->anomaly_advice[type]);
	}
	f->event = events_list(&a->events, &f->arena, &f->n_events);
	f->events_total = a->events.total;
	memcpy(f->live_alarms, a->live_alarms, sizeof f->live_alarms);
	f->dropped = a->dropped;
}

/* Prompts that are not over yet count too, without an end to them in the analysis. */
static bool take_ledger(struct findings *f, const struct analysis *a)
{
	struct ledger_book now = *a->ledger;

	for (size_t i = 0; i < a->sessions.n_listed; i++) {
		struct ledger_track track = a->sessions.listed[i]->ledger;

		ledger_end(&now, &track);
	}
	f->ledger = ledger_finish(&now, &f->arena);
	return f->ledger != NULL;
}

int analyze_finish(const struct analysis *a, const struct input_stats *input, struct findings *out, struct err *err)
{
	bool fine = !a->failed && !a->sessions.failed && !a->events.failed && !gather_failed(&a->gather);

	*out = (struct findings){
		.filtered = a->opts.session || a->opts.since_us || a->opts.until_us,
		.records = a->records, .from_us = a->from_us, .to_us = a->to_us, .tokens = a->tokens
	};
	if (input)
		take_input(out, input);
	fine &= take_metrics(out, a);
	fine &= take_sessions(out, a);
	fine &= whole_series(out, a);
	chart_sessions(out, a);
	take_course(out);
	take_overall(out, a);
	fine &= instances_tell(out, a);
	take_anomalies(out, a);
	if (a->ledger)
		fine &= take_ledger(out, a);
	out->verdict = verdict_of(out);
	if (fine && !out->arena.failed)
		return 0;
	findings_free(out);
	return err_set(err, ERR_NOMEM, "no memory for the analysis");
}

void findings_free(struct findings *f)
{
	arena_free(&f->arena);
	*f = (struct findings){ .n_files = 0 };
}
