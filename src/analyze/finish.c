/* finish.c - turns the accumulated numbers into findings. */
#include "analyze/analysis.h"
#include "analyze/departures.h"
#include "analyze/evidence.h"
#include "analyze/facts.h"
#include "analyze/foreseen.h"
#include "analyze/instances.h"
#include "analyze/judgement.h"
#include "analyze/learning.h"
#include "analyze/peers.h"
#include "analyze/trends.h"
#include "analyze/unjudged.h"
#include "rules/ruleset.h"

#include <math.h>
#include <stdlib.h>

static const char *copy(struct arena *arena, const char *text)
{
	return arena_copy(arena, slice_of(text ? text : ""));
}

static void fill_input(struct findings *f, const struct input_stats *in)
{
	f->files = arena_alloc(&f->arena, in->n_files + 1, sizeof *f->files);
	for (size_t i = 0; f->files && i < in->n_files; i++)
		f->files[f->n_files++] = copy(&f->arena, in->files[i]);
	f->has_input = true;
	f->bytes = in->bytes;
	f->lines = in->lines;
	f->skipped_lines = in->skipped_lines;
	f->unreadable_lines = in->unreadable_lines;
	f->untimed_lines = in->untimed_lines;
	for (size_t i = 0; i < in->n_skipped; i++) {
		const struct skipped_line *s = &in->skipped[i];

		f->skipped[f->n_skipped++] =
			(struct skipped_line){ copy(&f->arena, s->file), s->line, copy(&f->arena, s->reason) };
	}
}

/* Of one session, its phases together; most sessions have one phase worth merging. */
static bool session_summaries(const struct accumulators *n, struct summary out[METRIC_COUNT])
{
	const struct metric_stats *only = NULL;
	struct metric_stats whole = { .records = 0 };
	int phases = 0;
	bool failed;

	for (int phase = 0; phase < PHASE_COUNT; phase++)
		if (n->phase[phase]) {
			only = n->phase[phase];
			phases++;
		}
	for (int phase = 0; phases > 1 && phase < PHASE_COUNT; phase++)
		if (n->phase[phase])
			metric_stats_merge(&whole, n->phase[phase]);
	metric_stats_summaries(phases == 1 ? only : &whole, out);
	failed = metric_stats_failed(phases == 1 ? only : &whole);
	metric_stats_free(&whole);
	return !failed;
}

struct summary session_metric(const struct session_findings *s, enum metric_id m)
{
	static const struct metric_stats none = { .records = 0 };
	struct summary out;

	if (s->metrics >> m & 1)
		return s->summary[__builtin_popcountll(s->metrics & (metric_bit(m) - 1))];
	metric_stats_summary(&none, m, &out);
	out.missing = s->records;
	return out;
}

void session_metrics(const struct session_findings *s, struct summary out[METRIC_COUNT])
{
	for (int m = 0; m < METRIC_COUNT; m++)
		out[m] = session_metric(s, (enum metric_id)m);
}

bool session_set_metrics(struct session_findings *s, const struct summary from[METRIC_COUNT], struct arena *arena)
{
	struct summary *kept;
	size_t n = 0;

	s->metrics = 0;
	for (int m = 0; m < METRIC_COUNT; m++)
		if (from[m].count || from[m].nonfinite)
			s->metrics |= metric_bit((enum metric_id)m);
	s->summary = kept = arena_alloc(arena, (size_t)__builtin_popcountll(s->metrics) + 1, sizeof *kept);
	for (uint64_t left = kept ? s->metrics : 0; left; left &= left - 1)
		kept[n++] = from[__builtin_ctzll(left)];
	s->metrics = kept ? s->metrics : 0;
	return kept;
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

static void fill_series(struct arena *arena, const struct buckets *b, struct series *out)
{
	int64_t width_us = (int64_t)1000 << b->width_bits;

	*out = (struct series){ .from_us = b->first * width_us,
				.width_us = width_us,
				.n = b->any ? (size_t)(b->last - b->first + 1) : 0 };
	for (size_t m = 0; m < METRIC_COUNT; m++)
		out->metric[m] = bucket_row(arena, b, m, metric_specs[m].scale, out->n);
	for (size_t i = 0; i < SERIES_APART_COUNT; i++) {
		enum metric_id m = series_apart[i].metric;

		out->apart[m] = bucket_row(arena, b, SERIES_APART + i, metric_specs[m].scale, out->n);
	}
}

static void fill_state(struct arena *arena, const struct session *s, const struct accumulators *n,
		       struct session_findings *out)
{
	const struct summary change = session_metric(out, M_STATE_CHANGE);

	out->state = (struct state_evolution){
		.path = change.count ? change.mean * (double)change.count : (double)NAN,
		.pairs = n->similarity_entropy.count,
		.first_nonfinite = n->nonfinite,
		.first_bad = s->first_bad,
		.drift = n->drift,
	};
	out->state.layer = norms_tell(&n->norms, arena, &out->state.n_layers);
	first_bad_merge(&out->state.first_bad, &n->nonfinite);
	out->similarity_entropy_pearson = comoments_pearson(&n->similarity_entropy);
	out->collapse_warning =
		out->similarity_entropy_pearson < limit_of(T_COLLAPSE_R) && out->state.pairs >= FINDINGS_COLLAPSE_PAIRS;
}

static bool fill_session(struct arena *arena, const struct session *s, const struct accumulators *n,
			 struct session_findings *out)
{
	struct summary metric[METRIC_COUNT];
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
	fine = session_summaries(n, metric);
	fine &= session_set_metrics(out, metric, arena);
	fill_state(arena, s, n, out);
	for (int phase = 0; phase < PHASE_COUNT; phase++)
		out->jitter[phase] = jitter_of(&s->jitter.sum[phase]);
	return fine;
}

static bool fill_sessions(struct findings *f, const struct analysis *a)
{
	const struct sessions *t = &a->sessions;
	bool fine = a->gather.n == t->n_listed;

	const size_t n = sessions_listed(t), from = a->sessions_from < n ? a->sessions_from : n;
	const size_t left = n - from, most = a->sessions_most && a->sessions_most < left ? a->sessions_most : left;

	f->sessions_total = n + t->n_other;
	f->sessions_unlisted = t->n_homeless;
	f->sessions_from = from;
	f->session = arena_alloc(&f->arena, most + 1, sizeof *f->session);
	for (size_t i = from; fine && f->session && i < from + most; i++)
		fine &= fill_session(&f->arena, t->listed[i], &a->gather.session[i], &f->session[f->n_sessions++]);
	return fine;
}

/* Whatever page of the sessions is listed, all of them are judged: also those that are not listed, and alarms whose
 * session has no step in the log. */
static bool judge_sessions(struct findings *f, const struct analysis *a)
{
	const struct sessions *t = &a->sessions;
	struct session_evidence *e = malloc(sizeof *e);

	if (!e)
		return false;
	evidence_begin(e);
	for (size_t i = 0; i < t->n_listed && i < a->gather.n; i++)
		evidence_note(e, &f->arena, t->listed[i], &a->gather.session[i]);
	for (size_t i = 0; i < t->n_slots; i++)
		for (const struct session *s = t->slot[i]; s; s = s->chain)
			if (!s->listed)
				evidence_note(e, &f->arena, s, NULL);
	e->tally = a->all;
	evidence_keep(e, &f->arena);
	evidence_tell(f, e);
	free(e);
	return true;
}

/* The largest sessions keep their series, in `session[i].series`. */
static void chart_sessions(struct findings *f, const struct analysis *a)
{
	bool charted[SERIES_SESSIONS_MAX] = { false };

	for (size_t round = 0; round < a->n_series_sessions && round < FINDINGS_CHARTED_SESSIONS; round++) {
		size_t best = SERIES_SESSIONS_MAX, i;
		struct series *series = arena_alloc(&f->arena, 1, sizeof *series);

		for (size_t k = 0; k < a->n_series_sessions; k++)
			if (!charted[k] &&
			    (best == SERIES_SESSIONS_MAX || a->owner[k]->records > a->owner[best]->records))
				best = k;
		charted[best] = true;
		i = a->owner[best]->index;
		if (!series || !a->gather.session[i].series)
			return;
		if (i < f->sessions_from || i - f->sessions_from >= f->n_sessions)
			continue;
		fill_series(&f->arena, a->gather.session[i].series, series);
		f->session[i - f->sessions_from].series = series;
	}
}

static bool whole_series(struct findings *f, const struct analysis *a)
{
	const struct gathering *g = &a->gather;
	struct buckets whole;
	bool fine;

	if (!a->n_series_sessions) {
		fill_series(&f->arena, g->others.series, &f->series);
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
		fill_series(&f->arena, &whole, &f->series);
	buckets_free(&whole);
	return fine;
}

/* All steps of one phase, and the same added to `whole`. */
static bool fill_phase(struct findings *f, const struct analysis *a, enum phase phase, struct metric_stats *whole)
{
	struct metric_stats of_phase = { .records = 0 };
	bool fine;

	if (a->gather.others.phase[phase])
		metric_stats_merge(&of_phase, a->gather.others.phase[phase]);
	for (size_t i = 0; i < a->gather.n; i++)
		if (a->gather.session[i].phase[phase])
			metric_stats_merge(&of_phase, a->gather.session[i].phase[phase]);
	metric_stats_summaries(&of_phase, f->phase[phase]);
	metric_stats_histogram(&of_phase, M_TOKEN_LATENCY_MS, &f->latency[phase]);
	metric_stats_merge(whole, &of_phase);
	fine = !metric_stats_failed(&of_phase);
	metric_stats_free(&of_phase);
	return fine;
}

static bool fill_metrics(struct findings *f, const struct analysis *a)
{
	struct metric_stats whole = { .records = 0 };
	bool fine = true;

	for (int phase = 0; phase < PHASE_COUNT; phase++)
		fine &= fill_phase(f, a, (enum phase)phase, &whole);
	metric_stats_summaries(&whole, f->metric);
	fine &= !metric_stats_failed(&whole);
	metric_stats_free(&whole);
	return fine;
}

/* Adds to f->change, which has room for it. */
static void find_trends(struct findings *f, const struct series *s, const char *instance, struct trend *trend)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		size_t n = trends_changes(s, (enum metric_id)m, &f->change[f->n_changes]);

		trends_trend(s, (enum metric_id)m, &trend[m]);
		for (; n; n--)
			f->change[f->n_changes++].instance = instance;
	}
}

/* The series of an instance is that of its sessions which have one; n: how many these are. */
static bool instance_series(const struct analysis *a, const char *instance, struct arena *arena, struct series *out,
			    size_t *n)
{
	const struct buckets *of[SERIES_SESSIONS_MAX];
	struct buckets whole;
	bool fine;

	*n = 0;
	for (size_t i = 0; i < a->n_series_sessions; i++) {
		const struct session *s = a->owner[i];

		if (s->index < a->gather.n && a->gather.session[s->index].series &&
		    !strcmp(s->instance ? s->instance : "", instance))
			of[(*n)++] = a->gather.session[s->index].series;
	}
	if (!*n)
		return true;
	fine = buckets_open(&whole, FINDINGS_BUCKETS_MAX, SERIES_CHANNELS);
	for (size_t i = 0; fine && i < *n; i++)
		buckets_merge(&whole, of[i]);
	fine &= !whole.failed;
	if (fine)
		fill_series(arena, &whole, out);
	buckets_free(&whole);
	return fine && !arena->failed;
}

static bool instance_trends(struct findings *f, const struct analysis *a, struct instance_findings *in)
{
	struct arena scratch = { 0 };
	struct series series;
	size_t n;
	bool fine = instance_series(a, in->instance, &scratch, &series, &n);

	if (fine && n) {
		in->trend = arena_alloc(&f->arena, METRIC_COUNT, sizeof *in->trend);
		if (in->trend)
			find_trends(f, &series, in->instance, in->trend);
	}
	arena_free(&scratch);
	return fine;
}

/* Different levels of two processes are not a change: each instance is examined separately. */
static bool fill_trends(struct findings *f, const struct analysis *a)
{
	size_t most = f->instances_total > 1 ? a->n_series_sessions : 1;
	bool fine = true;

	f->change = arena_alloc(&f->arena, most * METRIC_COUNT * FINDINGS_CHANGES_MAX + 1, sizeof *f->change);
	if (!f->change)
		return false;
	if (f->instances_total <= 1) {
		find_trends(f, &f->series, NULL, f->trend);
		return true;
	}
	for (int m = 0; m < METRIC_COUNT; m++)
		f->trend[m].slope_per_hour = (double)NAN;
	for (size_t i = 0; fine && i < f->n_instances; i++)
		fine = instance_trends(f, a, &f->instance[i]);
	return fine;
}

/* What is kept of all steps together. */
static void fill_overall(struct findings *f, const struct analysis *a)
{
	const struct sessions *t = &a->sessions;
	const char **id = arena_alloc(&f->arena, t->n_listed + 1, sizeof *id);
	bool varies[METRIC_COUNT];

	for (size_t i = 0; id && i < t->n_listed; i++)
		id[i] = copy(&f->arena, t->listed[i]->id);
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

static void copy_words(struct arena *arena, const char *const *words, const char *out[LANG_COUNT])
{
	for (int lang = 0; words && lang < LANG_COUNT; lang++)
		out[lang] = copy(arena, words[lang]);
}

static uint64_t metrics_of(const struct findings *f)
{
	uint64_t have = 0;

	for (int m = 0; m < METRIC_COUNT; m++)
		have |= f->metric[m].count || f->metric[m].nonfinite ? metric_bit((enum metric_id)m) : 0;
	return have;
}

/* Alarm types of which one of these rules (a bit each) has all that it needs, a bit each. */
static uint64_t types_fit(const struct findings *f, const struct ruleset *set, uint64_t rules)
{
	const uint64_t have = metrics_of(f);
	uint64_t types = 0;

	for (size_t i = 0; set && i < set->n; i++)
		if (rules >> i & 1 && rule_lacks(&set->rule[i], have) == METRIC_COUNT)
			types |= UINT64_C(1) << set->rule[i].alarm;
	return types;
}

static void fill_unjudged(struct findings *f, const struct ruleset *set, uint64_t suited)
{
	const uint64_t have = metrics_of(f);
	struct unjudged_rule list[RULES_MAX];
	size_t n = have && set ? unjudged_rules(list, set, have, suited) : 0;

	f->unjudged = n ? arena_alloc(&f->arena, n, sizeof *f->unjudged) : NULL;
	for (; f->unjudged && f->n_unjudged < n; f->n_unjudged++) {
		f->unjudged[f->n_unjudged] = list[f->n_unjudged];
		f->unjudged[f->n_unjudged].rule = copy(&f->arena, list[f->n_unjudged].rule);
	}
}

static void fill_anomalies(struct findings *f, const struct analysis *a)
{
	const uint64_t suited = a->suits_known ? a->suited : UINT64_MAX;

	f->rule_set = copy(&f->arena, a->opts.rules ? ruleset_name(a->opts.rules) : "none");
	f->types_judged = a->opts.rules ? ruleset_types(a->opts.rules) & ~a->awaited : 0;
	f->types_silent = types_fit(f, a->opts.rules, suited) & ~f->types_judged;
	f->types_unsuited = types_fit(f, a->opts.rules, UINT64_MAX) & ~types_fit(f, a->opts.rules, suited);
	fill_unjudged(f, a->opts.rules, suited);
	f->limit = limits_list(&a->limits, metrics_of(f), &f->arena, &f->n_limits);
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		copy_words(&f->arena, a->summary[type], f->anomaly_summary[type]);
		copy_words(&f->arena, a->advice[type], f->anomaly_advice[type]);
	}
	f->event = events_list(&a->events, &f->arena, &f->n_events);
	f->events_total = a->events.total;
	f->actions = a->actions;
}

/* Exchanges that are not over yet count too, without an end to them in the analysis. */
static bool fill_times(struct findings *f, const struct analysis *a)
{
	const size_t n = a->sessions.n_listed, named = sessions_listed(&a->sessions);
	struct time_session *session = calloc(n + 1, sizeof *session);

	for (size_t i = 0; session && i < n; i++)
		session[i] = (struct time_session){ &a->sessions.listed[i]->times,
						    i < named ? a->sessions.listed[i]->id : NULL };
	f->time_breakdown = session ? time_breakdown_finish(a->times, session, n, &f->arena) : NULL;
	free(session);
	return f->time_breakdown;
}

/* session_start of that instance, or of the one that it is a new start of; NULL: there is none. */
static const struct field_values *about(const struct findings *f, const struct instance_findings *in)
{
	for (size_t i = 0; i < f->time_breakdown->n_parts; i++) {
		const struct time_part *p = f->time_breakdown->part[i];

		if (p->has_start && (!in || instance_has_part(in, p)))
			return &p->about;
	}
	return NULL;
}

/* What is told of each instance's series by itself: memory, disks and what is usual are its own. */
static bool look_ahead_and_back(struct findings *f, const struct analysis *a, const struct series *s,
				const struct instance_findings *in)
{
	const char *instance = in ? in->instance : NULL;

	if (a->opts.foresee)
		foreseen_add(f, s, instance, about(f, in), &a->opts);
	if (a->opts.learning && !learning_add(a->opts.learning, f, s, instance))
		return false;
	return !a->opts.look_for_unusual || departures_add(f, s, instance);
}

static bool fill_by_series(struct findings *f, const struct analysis *a)
{
	const size_t n = f->n_instances < a->n_series_sessions ? f->n_instances : a->n_series_sessions;
	bool fine = true;

	f->foreseen = arena_alloc(&f->arena, (n + 1) * METRIC_COUNT, sizeof *f->foreseen);
	f->departure = arena_alloc(&f->arena, (n + 1) * DEPARTURES_MAX, sizeof *f->departure);
	if (!f->foreseen || !f->departure)
		return false;
	if (f->instances_total <= 1)
		return look_ahead_and_back(f, a, &f->series, NULL);
	for (size_t i = 0; fine && i < f->n_instances; i++) { /* no more of them have a series than there are series */
		struct arena scratch = { 0 };
		struct series series;
		size_t sessions;

		fine = instance_series(a, f->instance[i].instance, &scratch, &series, &sessions);
		if (fine && sessions)
			fine = look_ahead_and_back(f, a, &series, &f->instance[i]);
		f->instances_unforeseen += fine && !sessions;
		arena_free(&scratch);
	}
	f->instances_unforeseen += f->instances_total - f->n_instances;
	return fine;
}

static bool fill_judgement(struct findings *f, const struct diagnose_options *opts)
{
	struct judgement *j = arena_alloc(&f->arena, 1, sizeof *j);

	f->judgement = j;
	return j && judge_findings(j, f, opts) && instances_speak(f, j, opts);
}

void analyze_page(struct analysis *a, size_t from, size_t most)
{
	a->sessions_from = from;
	a->sessions_most = most;
}

size_t analyze_sessions(const struct analysis *a)
{
	return sessions_listed(&a->sessions);
}

int analyze_finish(const struct analysis *a, const struct input_stats *input, struct findings *out, struct err *err)
{
	bool fine = !a->failed && !a->sessions.failed && !a->events.failed && !gathering_failed(&a->gather);
	struct diagnose_options opts = a->opts.diagnose;
	struct facts_kept kept = { .n = 0 };

	opts.kept = &kept;
	*out = (struct findings){ .filtered = a->opts.session || a->opts.since_us || a->opts.until_us,
				  .records = a->records,
				  .from_us = a->from_us,
				  .to_us = a->to_us,
				  .tokens = a->tokens };
	if (input)
		fill_input(out, input);
	fine &= fill_metrics(out, a);
	fine &= fill_sessions(out, a);
	fine &= whole_series(out, a);
	fine &= judge_sessions(out, a);
	if (fine)
		chart_sessions(out, a);
	fill_overall(out, a);
	fill_anomalies(out, a);
	fine &= fill_times(out, a);
	fine &= fine && instances_tell(out, a);
	if (out->n_instances > 1) /* each part is asked for once otherwise */
		fine &= fine && facts_keep(&kept, out->time_breakdown);
	fine &= fine && instances_pace(out, &opts) && peers_tell(out, a);
	fine &= fine && fill_trends(out, a);
	fine &= fine && instances_judge(out, &opts);
	if (a->minutes.points)
		fine &= fine && unusual_minutes_tell(&a->minutes, out);
	else if (a->opts.foresee || a->opts.look_for_unusual || a->opts.learning)
		fine &= fine && fill_by_series(out, a);
	fine &= fine && fill_judgement(out, &opts);
	facts_forget(&kept);
	if (fine) {
		instance_judge_alone(out);
		instances_course(out);
		time_breakdown_let_go(out->time_breakdown);
	}
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
