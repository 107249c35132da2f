/* instances.c - groups sessions by instance, merges their numbers, and judges each instance. */
#include "analyze/instances.h"

#include "analyze/facts.h"
#include "analyze/judgement.h"
#include "analyze/slowdown.h"
#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

const struct phase_metric phase_metrics[PHASE_METRICS] = {
	{ PHASE_PREFILL, M_CHUNK_PROCESS_TIME_MS },
	{ PHASE_PREFILL, M_STATE_SIMILARITY },
	{ PHASE_DECODE, M_STATE_SIMILARITY },
};

const char *const instance_state_ids[INSTANCE_STATE_COUNT] = { "running", "ended", "silent" };

static const int64_t SILENT_US = INT64_C(300) * 1000000;

static const char *known(const char *text)
{
	return text ? text : "";
}

static const char *kept(struct findings *f, const char *text)
{
	return text && *text ? arena_copy(&f->arena, slice_of(text)) : "";
}

/* --- who belongs to whom ---------------------------------------------------------------- */

/* Of those without a place in the list. */
static int session_order(const struct session *x, const struct session *y)
{
	return x->from_us != y->from_us ? (x->from_us < y->from_us ? -1 : 1) : strcmp(x->id, y->id);
}

static int by_instance(const void *a, const void *b)
{
	const struct session *x = *(const struct session *const *)a, *y = *(const struct session *const *)b;
	int order = strcmp(known(x->instance), known(y->instance));

	order = order ? order : (int)y->listed - (int)x->listed;
	if (order || !x->listed)
		return order ? order : session_order(x, y);
	return (x->index > y->index) - (x->index < y->index);
}

/* Sessions of one instance, in order of their first steps. */
struct group {
	const struct session *const *session; /* (n) */
	size_t n;
};

static int by_first_session(const void *a, const void *b)
{
	size_t x = (*((const struct group *)a)->session)->index, y = (*((const struct group *)b)->session)->index;

	return (x > y) - (x < y);
}

static size_t find_groups(const struct session *const *session, size_t n, struct group *group)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (!i || strcmp(known(session[i]->instance), known(session[i - 1]->instance)))
			group[found++] = (struct group){ .session = &session[i] };
		group[found - 1].n++;
	}
	qsort(group, found, sizeof *group, by_first_session);
	return found;
}

/* --- its numbers -------------------------------------------------------------------------- */

/* What an instance says of itself: its largest session that says it. */
static const char *said(const struct group *g, char *const *(*of)(const struct session *))
{
	const struct session *best = NULL;

	for (size_t i = 0; i < g->n; i++)
		if (*of(g->session[i]) && (!best || g->session[i]->records > best->records))
			best = g->session[i];
	return best ? *of(best) : NULL;
}

static char *const *model_of(const struct session *s)
{
	return &s->model_name;
}

static char *const *strategy_of(const struct session *s)
{
	return &s->strategy;
}

static char *const *device_of(const struct session *s)
{
	return &s->device;
}

static void count(struct instance_findings *out, const struct session *s)
{
	if (!s->listed) /* its rest has counted it */
		return;
	widen_span(&out->from_us, &out->to_us, !out->records, s->from_us, s->to_us);
	out->sessions += s->rest ? s->sessions : 1;
	out->records += s->records;
	out->tokens += s->tokens;
}

static enum instance_state state_of(const struct findings *f, const struct instance_findings *in, const struct group *g)
{
	bool ended = true;

	for (size_t i = 0; i < g->n; i++)
		ended &= !g->session[i]->listed || g->session[i]->ended;
	return ended ? INSTANCE_ENDED : f->to_us - in->to_us > SILENT_US ? INSTANCE_SILENT : INSTANCE_RUNNING;
}

/* Steps of one phase of all its sessions: those of a single session as they are, else merged into `room`. */
static const struct metric_stats *steps_of(const struct analysis *a, const struct group *g, int phase,
					   struct metric_stats *room)
{
	*room = (struct metric_stats){ .records = 0 };
	if (g->n == 1)
		return a->gather.session[g->session[0]->index].phase[phase];
	for (size_t i = 0; i < g->n; i++) {
		const struct session *s = g->session[i];
		const struct metric_stats *of = s->listed ? a->gather.session[s->index].phase[phase] : NULL;

		if (of)
			metric_stats_merge(room, of);
	}
	return room->records ? room : NULL;
}

static bool summarize(const struct analysis *a, const struct group *g, struct instance_findings *out,
		      struct instance_evidence *evidence)
{
	struct metric_stats room[PHASE_COUNT], whole = { .records = 0 };
	const struct metric_stats *of[PHASE_COUNT], *only = NULL;
	int phases = 0;
	bool fine = true;

	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		of[phase] = steps_of(a, g, phase, &room[phase]);
		phases += of[phase] != NULL;
		only = of[phase] ? of[phase] : only;
	}
	for (int phase = 0; phases > 1 && phase < PHASE_COUNT; phase++)
		if (of[phase])
			metric_stats_merge(&whole, of[phase]);
	metric_stats_summaries(phases == 1 ? only : &whole, out->metric);
	if (of[PHASE_DECODE] || of[PHASE_UNKNOWN])
		metric_stats_summary(of[PHASE_DECODE] ? of[PHASE_DECODE] : of[PHASE_UNKNOWN], M_TOKEN_LATENCY_MS,
				     &out->decode_latency);
	for (int i = 0; i < PHASE_METRICS; i++)
		if (of[phase_metrics[i].phase])
			metric_stats_summary(of[phase_metrics[i].phase], phase_metrics[i].metric, &evidence->phase[i]);
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		fine &= !metric_stats_failed(&room[phase]);
		metric_stats_free(&room[phase]);
	}
	fine &= !metric_stats_failed(&whole);
	metric_stats_free(&whole);
	return fine;
}

/* --- its evidence --------------------------------------------------------------------------- */

static void note_part(struct instance_evidence *e, const struct time_own *part)
{
	e->untimed |= part->mixed || part->shared;
	if (part->mixed || part->shared || e->n_parts == INSTANCE_PARTS_MAX)
		return;
	for (size_t i = 0; i < e->n_parts; i++)
		if (e->part[i] == part)
			return;
	e->part[e->n_parts++] = part;
}

bool instance_has_part(const struct instance_findings *in, const struct time_part *p)
{
	const struct instance_evidence *e = in->evidence;

	for (size_t i = 0; i < e->n_parts; i++)
		if (e->part[i]->number == p->number)
			return true;
	return false;
}

static void gather_evidence(struct findings *f, const struct analysis *a, const struct group *g,
			    struct instance_evidence *out)
{
	const struct time_breakdown *times = f->time_breakdown;

	evidence_begin(&out->of);
	for (size_t i = 0; i < g->n; i++) {
		const struct session *s = g->session[i];

		session_tally_add(&out->of.tally, &s->tally);
		evidence_note(&out->of, &f->arena, s, s->listed ? &a->gather.session[s->index] : NULL);
		if (s->times.part && s->times.part <= times->n_own)
			note_part(out, &times->own[s->times.part - 1]);
	}
	evidence_keep(&out->of, &f->arena);
	if (g->n == 1 && !g->session[0]->rest)
		out->session_id = kept(f, g->session[0]->id);
}

static enum phase of_decode(const struct findings *f)
{
	return f->phase[PHASE_DECODE][M_TOKEN_LATENCY_MS].count ? PHASE_DECODE : PHASE_UNKNOWN;
}

static bool tell(struct findings *f, const struct analysis *a, const struct group *g, struct instance_findings *out)
{
	struct instance_evidence *evidence = arena_alloc(&f->arena, 1, sizeof *evidence);
	bool fine = evidence;

	*out = (struct instance_findings){
		.instance = kept(f, g->session[0]->instance),
		.model_name = kept(f, said(g, model_of)),
		.strategy = kept(f, said(g, strategy_of)),
		.device = kept(f, said(g, device_of)),
		.evidence = evidence,
		.group = SIZE_MAX,
		.slower = (double)NAN,
		.times_slower = (double)NAN,
		.slower_part = { .times = (double)NAN },
		.session_id = "",
	};
	for (size_t i = 0; i < g->n; i++)
		count(out, g->session[i]);
	out->state = state_of(f, out, g);
	if (!fine)
		return false;
	gather_evidence(f, a, g, evidence);
	f->instances_untimed += evidence->untimed;
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		out->alarms += evidence->of.tally.alarmed[type];
	out->violating = evidence->of.tally.violating;
	if (f->instances_total > 1 || f->sessions_unlisted)
		return summarize(a, g, out, evidence);
	memcpy(out->metric, f->metric, sizeof out->metric); /* the only instance */
	out->decode_latency = f->phase[of_decode(f)][M_TOKEN_LATENCY_MS];
	return true;
}

/* Those that a rest stands for, as far as they are still there. */
static size_t find_guests(const struct sessions *t, const struct session **out)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_slots; i++)
		for (const struct session *s = t->slot[i]; s; s = s->chain)
			if (session_in_rest(s) && !strcmp(known(s->instance), known(s->of->instance)))
				out[n++] = s;
	return n;
}

bool instances_tell(struct findings *f, const struct analysis *a)
{
	const size_t most = a->sessions.n_listed < a->gather.n ? a->sessions.n_listed : a->gather.n;
	const size_t guests = a->sessions.n_rests ? a->sessions.n : 0;
	const struct session **session = calloc(most + guests + 1, sizeof(const struct session *));
	struct group *group = calloc(most + 1, sizeof *group);
	bool fine = session && group;
	size_t n = 0, all = 0;

	for (; fine && all < most; all++)
		session[all] = a->sessions.listed[all];
	if (fine && guests)
		all += find_guests(&a->sessions, session + all);
	if (fine && most) {
		qsort(session, all, sizeof *session, by_instance);
		n = find_groups(session, all, group);
	}
	f->instances_total = n;
	f->instance = arena_alloc(&f->arena, n + 1, sizeof *f->instance);
	for (; fine && f->instance && f->n_instances < n; f->n_instances++)
		fine = tell(f, a, &group[f->n_instances], &f->instance[f->n_instances]);
	free(session);
	free(group);
	return fine;
}

/* --- its verdict ------------------------------------------------------------------------------ */

_Static_assert(CAUSE_COUNT <= 64, "by_chance has a bit for each cause");

/* The findings as they were if there was only one instance, as far as a diagnosis looks at them. */
struct view {
	struct findings f;
	struct time_breakdown times;
	struct time_part *part[INSTANCE_PARTS_MAX];
	struct peer_outlier own;
	struct session_findings session;
};

/* Its parts are in the arena; false when memory is out. */
static bool view_of(struct view *v, const struct findings *f, struct instance_findings *in, struct arena *arena)
{
	const struct instance_evidence *e = in->evidence;
	struct findings *view = &v->f;

	v->times = (struct time_breakdown){ .part = v->part };
	if (in->outlier)
		v->own = *in->outlier;
	*view = (struct findings){
		.filtered = f->filtered,
		.records = in->records,
		.from_us = in->from_us,
		.to_us = in->to_us,
		.tokens = in->tokens,
		.sessions_total = in->sessions,
		.rule_set = f->rule_set,
		.time_breakdown = &v->times,
		.peers = { .outlier = &v->own, .n_outliers = in->outlier != NULL },
		.instance = in,
		.n_instances = 1,
		.slowdown = f->slowdown,
	};
	memcpy(view->metric, in->metric, sizeof view->metric);
	for (int i = 0; i < PHASE_METRICS; i++)
		view->phase[phase_metrics[i].phase][phase_metrics[i].metric] = e->phase[i];
	evidence_tell(view, &e->of);
	for (size_t i = 0; i < e->n_parts; i++)
		v->part[v->times.n_parts++] = time_own_part(e->part[i], arena);
	v->session = (struct session_findings){ .session_id = e->session_id, .instance = in->instance };
	view->session = &v->session;
	view->n_sessions = e->session_id != NULL;
	return !arena->failed;
}

/* What is named all the same, for a better reason, is not among them. */
static uint64_t causes_by_chance(const struct diagnosis *d)
{
	uint64_t causes = 0;

	for (int a = 0; a < ANSWER_COUNT; a++)
		causes |= d->by_chance[a] ? UINT64_C(1) << answer_specs[a].target : 0;
	for (size_t i = 0; i < d->n_also; i++)
		causes &= ~(UINT64_C(1) << d->also[i]);
	return causes & ~(UINT64_C(1) << d->cause);
}

static void copy_judgement(struct instance_findings *in, const struct judgement *j)
{
	in->verdict = j->verdict;
	in->cause = j->diagnosis.cause;
	in->confidence = j->diagnosis.confidence;
	in->since_us = j->diagnosis.since_us;
	in->session_id = j->diagnosis.session_id;
	in->by_chance = causes_by_chance(&j->diagnosis);
}

void instance_judge_alone(struct findings *f)
{
	if (f->n_instances == 1 && f->instances_total == 1)
		copy_judgement(&f->instance[0], f->judgement);
}

static bool judge(struct instance_findings *in, struct judgement *j, struct view *view, const struct findings *f,
		  const struct diagnose_options *opts)
{
	struct arena parts = { 0 };
	const bool fine = view_of(view, f, in, &parts) && judge_findings(j, &view->f, opts);

	if (fine)
		copy_judgement(in, j);
	arena_free(&parts);
	if (!fine)
		return false;
	if (!in->outlier || cause_is_bad(cause_specs[in->cause].kind))
		return true;
	in->verdict = VERDICT_ATTENTION; /* the walk ended before it came to the peers */
	in->cause = CAUSE_UNLIKE_PEERS;
	in->confidence = CONFIDENCE_MEDIUM;
	in->since_us = in->outlier->since_us;
	return true;
}

/* Did it become slower once, and stay so? */
static bool slowed(const struct shift *s, enum threshold_id least)
{
	return s->fell && s->slow_alone && s->slow_decode >= limit_of(least) * s->fast_decode;
}

static void note_slower(struct instance_findings *in, const struct facts *x)
{
	const bool much = slowed(&x->shift, T_SLOWED);
	const struct shift *s = much ? &x->shift : &x->beside;

	in->timed = x->shift.known || in->timed;
	if (!much && !slowed(s, T_BESIDE_RATIO))
		return;
	in->slower_part = (struct slower_part){ .times = s->slow_decode / s->fast_decode,
						.decode_ms = s->slow_decode,
						.earliest_us = s->earliest_us,
						.latest_us = s->latest_us };
	in->slower_us = s->since_us;
	if (much)
		in->times_slower = in->slower_part.times;
}

/* By the part with most steps, of its host: a process that was started again goes on in its course. */
static bool pace(struct instance_findings *in, const struct time_breakdown *times, struct facts *x,
		 const struct diagnose_options *opts)
{
	const struct instance_evidence *e = in->evidence;
	const struct time_part *largest = NULL;

	for (size_t i = 0; i < e->n_parts; i++) {
		const struct time_part *p = times->part[e->part[i]->number];

		largest = !largest || p->steps > largest->steps ? p : largest;
	}
	if (!largest)
		return true;
	if (!facts_of(x, largest, opts))
		return false;
	in->timed = (double)largest->steps >= limit_of(T_STEPS);
	note_slower(in, x);
	return true;
}

bool instances_pace(struct findings *f, const struct diagnose_options *opts)
{
	struct facts *x = malloc(sizeof *x);
	const size_t n = f->n_instances > 1 ? f->n_instances : 0;
	bool fine = x;

	for (size_t i = 0; fine && i < n; i++)
		fine = pace(&f->instance[i], f->time_breakdown, x, opts);
	free(x);
	return fine && slowdown_tell(f);
}

/* By facts alone at first, which tells the chances of all else; then those again of whom any of it counts. */
static bool judge_all(struct findings *f, struct diagnose_options *opts, double *bar, struct view *view,
		      struct judgement *j, struct chances *chance, double *scratch)
{
	bool fine = true;

	opts->bar = bar;
	for (size_t i = 0; fine && i < f->n_instances; i++) {
		fine = judge(&f->instance[i], j, view, f, opts);
		chance[i] = j->diagnosis.chance;
	}
	if (fine)
		chance_bars(bar, chance, f->n_instances, scratch);
	for (size_t i = 0; fine && i < f->n_instances; i++)
		if (chances_count(&chance[i], bar))
			fine = judge(&f->instance[i], j, view, f, opts);
	return fine;
}

bool instances_judge(struct findings *f, struct diagnose_options *opts)
{
	const size_t n = f->n_instances;
	double *bar = n > 1 ? arena_alloc(&f->arena, ANSWER_COUNT, sizeof *bar) : NULL;
	struct view *view = malloc(sizeof *view);
	struct judgement *j = malloc(sizeof *j);
	struct chances *chance = calloc(n + 1, sizeof *chance);
	double *scratch = calloc(n + 1, sizeof *scratch);
	bool fine = view && j && chance && scratch;

	if (n > 1)
		fine = fine && bar && judge_all(f, opts, bar, view, j, chance, scratch);
	free(view);
	free(j);
	free(chance);
	free(scratch);
	return fine;
}

/* The first of those with the severest verdict; NULL: no instance is in trouble. */
static struct instance_findings *worst_off(struct findings *f)
{
	struct instance_findings *worst = NULL;

	for (size_t i = 0; i < f->n_instances; i++) {
		struct instance_findings *in = &f->instance[i];

		if (cause_is_bad(cause_specs[in->cause].kind) && (!worst || in->verdict > worst->verdict))
			worst = in;
	}
	return worst;
}

/* What the sums of the whole log show is said of the first part that was looked at; whose it is, its own sums show. */
static void name_rightly(const struct findings *f, struct judgement *whole)
{
	const struct instance_findings *has = NULL;

	for (size_t i = 0; i < f->n_instances && *whole->instance; i++) {
		const struct instance_findings *in = &f->instance[i];

		if (in->cause != whole->diagnosis.cause)
			continue;
		if (!strcmp(in->instance, whole->instance))
			return;
		has = has && has->verdict >= in->verdict ? has : in;
	}
	if (has)
		whole->instance = whole->diagnosis.instance = has->instance;
}

/* The instance that is named, where it shows that cause alone, too. */
static struct instance_findings *named_by(struct findings *f, const struct judgement *whole)
{
	for (size_t i = 0; i < f->n_instances && *whole->instance; i++)
		if (!strcmp(f->instance[i].instance, whole->instance) && f->instance[i].cause == whole->diagnosis.cause)
			return &f->instance[i];
	return NULL;
}

/* What led to the cause is told as that instance alone shows it, not by sums over all of them. */
static void tell_of_its_own(struct judgement *whole, const struct judgement *own)
{
	const struct diagnosis all = whole->diagnosis;
	struct diagnosis *d = &whole->diagnosis;

	*d = own->diagnosis;
	memcpy(d->also, all.also, sizeof d->also);
	d->n_also = all.n_also;
	memcpy(d->by_chance, all.by_chance, sizeof d->by_chance);
	d->chance = all.chance;
	d->confidence = all.confidence;
	d->instance = all.instance;
	d->parts = all.parts;
}

bool instances_speak(struct findings *f, struct judgement *whole, const struct diagnose_options *opts)
{
	const enum cause_id cause = whole->diagnosis.cause;
	const bool explained = cause_is_bad(cause_specs[cause].kind) && cause != CAUSE_ALARM;
	struct instance_findings *worst;
	struct view *view; /* what it says points into it */
	struct judgement *own;

	if (explained)
		name_rightly(f, whole);
	if (f->n_instances < 2)
		return true;
	worst = explained ? named_by(f, whole) : worst_off(f);
	if (!worst)
		return true;
	view = arena_alloc(&f->arena, 1, sizeof *view);
	own = arena_alloc(&f->arena, 1, sizeof *own);
	if (!view || !own)
		return false;
	if (!view_of(view, f, worst, &f->arena) || !judge_findings(own, &view->f, opts))
		return false;
	if (explained) {
		if (own->diagnosis.cause == cause)
			tell_of_its_own(whole, own);
		return true;
	}
	if (!cause_is_bad(cause_specs[own->diagnosis.cause].kind))
		return true;
	own->verdict = own->verdict > whole->verdict ? own->verdict : whole->verdict;
	*whole = *own;
	whole->instance = whole->diagnosis.instance = worst->instance;
	return true;
}

/* --- its course ------------------------------------------------------------------------------- */

/* Decode calls of one slice of the log's time: logarithms of their milliseconds per token. */
struct slice_sums {
	double ln, calls;
};

/* A stretch counts for each slice by its share of it. */
static void add_stretch(const struct stretch *s, double from_us, double slice_us, struct slice_sums *sums, size_t n)
{
	const double begin = ((double)s->from_us - from_us) / slice_us, end = ((double)s->to_us - from_us) / slice_us;
	const double width = fmax(end - begin, 1e-9);

	for (size_t c = (size_t)fmax(begin, 0); s->decode_calls && c < n && (double)c <= end; c++) {
		const double share = (fmin((double)c + 1, begin + width) - fmax((double)c, begin)) / width;

		sums[c].ln += fmax(share, 0) * s->decode_ln;
		sums[c].calls += fmax(share, 0) * (double)s->decode_calls;
	}
}

static void course(const struct findings *f, struct instance_findings *in)
{
	const double slice_us = ((double)(f->to_us - f->from_us) + 1) / INSTANCE_SLICES;
	const struct instance_evidence *e = in->evidence;
	struct slice_sums sums[INSTANCE_SLICES] = { { 0 } };

	for (size_t k = 0; k < e->n_parts; k++) {
		const struct time_part *p = f->time_breakdown->part[e->part[k]->number];

		for (size_t i = 0; i < p->n_stretches; i++)
			add_stretch(&p->stretch[i], (double)f->from_us, slice_us, sums, INSTANCE_SLICES);
	}
	for (size_t c = 0; c < INSTANCE_SLICES; c++)
		in->course[c] = sums[c].calls > 0 ? exp(sums[c].ln / sums[c].calls) : (double)NAN;
}

void instances_course(struct findings *f)
{
	for (size_t i = 0; i < f->n_instances; i++)
		course(f, &f->instance[i]);
}

/* --- their order -------------------------------------------------------------------------------- */

static int more(double x, double y)
{
	return (x < y) - (x > y);
}

static int by_trouble(const void *a, const void *b)
{
	const struct instance_findings *x = *(const struct instance_findings *const *)a,
				       *y = *(const struct instance_findings *const *)b;
	const int order[] = {
		more(x->verdict, y->verdict),
		more(x->state == INSTANCE_SILENT, y->state == INSTANCE_SILENT),
		more(x->trouble, y->trouble),
		more(x->times_slower > 1 ? x->times_slower : 1, y->times_slower > 1 ? y->times_slower : 1),
		more((double)x->alarms, (double)y->alarms),
		more(x->by_chance != 0, y->by_chance != 0),
		more((double)x->violating, (double)y->violating),
		strcmp(x->instance, y->instance),
	};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (order[i])
			return order[i];
	return 0;
}

void instances_by_trouble(const struct findings *f, const struct instance_findings **out)
{
	for (size_t i = 0; i < f->n_instances; i++)
		out[i] = &f->instance[i];
	if (f->n_instances)
		qsort(out, f->n_instances, sizeof *out, by_trouble);
}
