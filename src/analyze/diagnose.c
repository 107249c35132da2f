/* diagnose.c - walks the tree: at each question the first answer whose test holds is taken, until a cause is named. */
#include "analyze/diagnose.h"

#include "analyze/diagnose_tests.h"

#include <math.h>
#include <stdlib.h>

const char *const confidence_ids[CONFIDENCE_COUNT] = { "low", "medium", "high" };
const char *const bandwidth_source_ids[] = { "unknown", "given", "measured", "vendor" };

/* --- evidence ------------------------------------------------------------------------ */

void say(struct walk *w, enum evidence_id id, const char *text, double a, double b, double c, double d)
{
	size_t at = 0;

	if (w->silent)
		return;
	while (at < w->d->n_evidence && w->d->evidence[at].id != id)
		at++;
	for (; at + 1 < w->d->n_evidence; at++) /* evidence that is repeated moves after what was added since */
		w->d->evidence[at] = w->d->evidence[at + 1];
	w->d->evidence[at] = (struct evidence){ .id = id, .answer = w->testing, .value = { a, b, c, d }, .text = text };
	w->d->n_evidence += at == w->d->n_evidence;
}

void say1(struct walk *w, enum evidence_id id, double a)
{
	say(w, id, "", a, NAN, NAN, NAN);
}

void say2(struct walk *w, enum evidence_id id, double a, double b)
{
	say(w, id, "", a, b, NAN, NAN);
}

void say3(struct walk *w, enum evidence_id id, double a, double b, double c)
{
	say(w, id, "", a, b, c, NAN);
}

void miss(struct walk *w, enum evidence_id id)
{
	if (w->silent)
		return;
	for (size_t i = 0; i < w->d->n_missing; i++)
		if (w->d->missing[i] == id)
			return;
	w->d->missing[w->d->n_missing++] = id;
}

enum grade unless_chance(struct walk *w, enum grade grade, double chance)
{
	double *least = &w->d->chance.of[w->testing];
	const bool counts = !w->opts->bar || chance < w->opts->bar[w->testing];

	if (grade <= NO)
		return grade;
	*least = fmin(*least, chance);
	w->d->by_chance[w->testing] |= !counts;
	return counts ? grade : NO;
}

static test_fn *const tests[ANSWER_COUNT] = {
#define ANSWER(name, ...) [A_##name] = test_##name,
#include "spec/diagnosis.def"
};

/* --- the walk --------------------------------------------------------------------------------- */

static bool is_last(enum answer_id a)
{
	return a + 1 == ANSWER_COUNT || answer_specs[a + 1].question != answer_specs[a].question;
}

static enum grade test(struct walk *w, enum answer_id a)
{
	w->testing = a;
	return tests[a](w);
}

/* The first answer that holds, noted as a step of the path. */
static enum answer_id ask(struct walk *w, enum question_id q, enum grade *grade)
{
	enum answer_id a = answers_first(q);

	for (; (*grade = test(w, a)) <= NO && !is_last(a); a++) {
		w->d->ruled_out[a] = *grade == NO && !w->d->by_chance[a];
		w->d->not_measured[a] = *grade == UNKNOWN && !w->d->by_chance[a];
	}
	w->d->step[w->d->n_steps++] = (struct diagnosis_step){ q, a };
	return a;
}

/* Several questions may lead to one cause: it is listed as ruled out only once, and not if it is the named cause. */
static void tidy_ruled_out(struct diagnosis *d)
{
	for (int a = 0; a < ANSWER_COUNT; a++)
		for (int b = 0; d->ruled_out[a] && answer_specs[a].to_cause && b < ANSWER_COUNT; b++) {
			bool same = answer_specs[b].to_cause && answer_specs[b].target == answer_specs[a].target;

			if (same && (answer_specs[a].target == (int)d->cause || (b < a && d->ruled_out[b]) ||
				     d->not_measured[b]))
				d->ruled_out[a] = false;
		}
}

static void walk_down(struct walk *w)
{
	enum question_id q = Q_FINITE;
	enum grade grade;
	enum answer_id a;

	while (!answer_specs[a = ask(w, q, &grade)].to_cause)
		q = (enum question_id)answer_specs[a].target;
	w->d->cause = (enum cause_id)answer_specs[a].target;
	tidy_ruled_out(w->d);
	if (cause_specs[w->d->cause].kind == CAUSE_IS_UNDECIDED)
		return; /* nothing was found that could be more or less certain */
	w->d->confidence = grade == SURE ? CONFIDENCE_HIGH : grade == LIKELY ? CONFIDENCE_MEDIUM : CONFIDENCE_LOW;
}

bool diagnosis_took(const struct diagnosis *d, enum answer_id a)
{
	for (size_t i = 0; i < d->n_steps; i++)
		if (d->step[i].answer == a)
			return true;
	return false;
}

static bool comes_up(struct walk *w, enum question_id q);

/* By its parent's test, or because its parent's last answer leads to it. */
static bool is_led_to(struct walk *w, enum question_id q)
{
	if (q == Q_FINITE)
		return true;
	for (int a = 0; a < ANSWER_COUNT; a++) {
		const struct answer_spec *s = &answer_specs[a];

		if (!s->to_cause && s->target == (int)q && comes_up(w, s->question) &&
		    (is_last((enum answer_id)a) || test(w, (enum answer_id)a) > NO))
			return true;
	}
	return false;
}

/* Can the question be reached? Asked once: tests hold or not whenever they are made. */
static bool comes_up(struct walk *w, enum question_id q)
{
	if (!w->asked[q]) {
		w->asked[q] = true;
		w->reached[q] = is_led_to(w, q);
	}
	return w->reached[q];
}

/* A consequence of the named cause is not a second cause. */
static bool comes_with(enum cause_id named, enum cause_id other)
{
	switch (named) {
	case CAUSE_REPETITION:
		return other == CAUSE_MODE_COLLAPSE;
	case CAUSE_FP16_OVERFLOW:
	case CAUSE_NON_FINITE:
		return other == CAUSE_STATE_JUMP || other == CAUSE_MODE_COLLAPSE || other == CAUSE_WRONG_INPUT;
	case CAUSE_SWAPPING:
		return other == CAUSE_OTHER_LOAD || other == CAUSE_THROTTLING || other == CAUSE_STALLS ||
		       other == CAUSE_SLOW_TAIL;
	case CAUSE_LENGTH:
		return other == CAUSE_THROTTLING || other == CAUSE_GPU_THROTTLING || other == CAUSE_SLOWDOWN ||
		       other == CAUSE_STALLS || other == CAUSE_SLOW_TAIL;
	case CAUSE_CPU_QUOTA:
	case CAUSE_OTHER_LOAD:
	case CAUSE_THROTTLING:
	case CAUSE_GPU_THROTTLING:
	case CAUSE_SLOWDOWN:
	case CAUSE_STALLS:
		return other == CAUSE_STALLS || other == CAUSE_SLOW_TAIL || other == CAUSE_OTHER_LOAD ||
		       other == CAUSE_THROTTLING;
	default:
		return false;
	}
}

/* Other causes whose own tests hold, in the order of the walk. */
static void look_around(struct walk *w)
{
	bool seen[CAUSE_COUNT] = { false };

	w->silent = true;
	seen[w->d->cause] = seen[CAUSE_NOT_ENOUGH] = seen[CAUSE_ALARM] = true;
	for (int a = 0; a < ANSWER_COUNT; a++) {
		const struct answer_spec *s = &answer_specs[a];

		if (!s->to_cause || seen[s->target] || is_last((enum answer_id)a) || !comes_up(w, s->question) ||
		    comes_with(w->d->cause, (enum cause_id)s->target) || test(w, (enum answer_id)a) < LIKELY)
			continue;
		seen[s->target] = true;
		w->d->also[w->d->n_also++] = (enum cause_id)s->target;
		for (int b = 0; b < ANSWER_COUNT; b++)
			if (answer_specs[b].to_cause && answer_specs[b].target == s->target)
				w->d->ruled_out[b] = false;
	}
}

/* Adds advice on what limits the speed when no goal was set; it is not a fault. */
static void advise(struct walk *w)
{
	static const enum answer_id limits[] = { A_CHUNK_FITS, A_GPU_WAITS, A_BUS_FULL };

	w->silent = true;
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		if (test(w, limits[i]) >= LIKELY)
			w->d->advice[w->d->n_advice++] = (enum cause_id)answer_specs[limits[i]].target;
	if (w->x->pause_share >= limit_of(T_BETWEEN_TOLD) * (w->x->decode_share + w->x->pause_share))
		w->d->advice[w->d->n_advice++] = CAUSE_CALLER;
}

/* --- what it would bring ------------------------------------------------------------------------- */

static double shift_gain(const struct shift *s)
{
	return s->fell ? 100 * (1 - s->fast_decode / s->slow_decode) : (double)NAN;
}

/* The number that the evidence tells; NAN: it is none of it. */
static double as_told(const struct diagnosis *d, enum evidence_id id, size_t value)
{
	for (size_t i = 0; i < d->n_evidence; i++)
		if (d->evidence[i].id == id)
			return d->evidence[i].value[value];
	return (double)NAN;
}

/* Of the memory that is named: the host's, that of one of several GPUs, or of all. */
static const struct growth *growth_named(const struct diagnosis *d, const struct facts *x)
{
	if (!(d->situations >> IN_VRAM & 1))
		return &x->memory;
	for (size_t i = 0; i < x->n_devices; i++)
		if (!strcmp(x->device[i].of->name, d->device))
			return &x->device[i].memory;
	return &x->vram;
}

static void fill_gain(struct diagnosis *d, const struct facts *x, const struct shift *s)
{
	const struct growth *growth = growth_named(d, x);

	d->gain_unit = 'p';
	switch (d->cause) {
	case CAUSE_CPU_QUOTA:
	case CAUSE_GPU_THROTTLING:
	case CAUSE_OTHER_LOAD:
	case CAUSE_THROTTLING:
	case CAUSE_SLOWDOWN:
	case CAUSE_SWAPPING:
		d->gain = shift_gain(s);
		break;
	case CAUSE_PENALTIES:
	case CAUSE_CALLER:
		d->gain = s->fell ? 100 * (1 - (s->fast_decode + s->fast_pause) / (s->slow_decode + s->slow_pause))
				  : 100 * x->pause_share;
		break;
	case CAUSE_HISTORY:
		d->gain = as_told(d, E_REFED, 2);
		break;
	case CAUSE_LENGTH:
		d->gain = 100 * (1 - x->growing.short_ms / x->growing.mean_ms);
		break;
	case CAUSE_PREFILL_BOUND:
		d->gain = 100 * x->prefill_share;
		break;
	case CAUSE_LAUNCH_BOUND:
		d->gain = 100 - x->gpu_busy_pct;
		break;
	case CAUSE_MEMORY_GROWTH:
		d->gain = growth->to - growth->from;
		d->gain_unit = 'M';
		break;
	case CAUSE_SLOW_START:
		d->gain = x->first.ms - x->first.usual_ms;
		d->gain_unit = 'm';
		break;
	case CAUSE_STALLS:
		d->gain = 100 * stops_ms(x) / time_of(x);
		break;
	case CAUSE_BANDWIDTH: /* one byte a weight */
		d->gain = x->int8 ? (double)NAN : strstr(x->strategy, "fp32") ? 75 : 50;
		break;
	case CAUSE_SLOW_TAIL:
		d->gain = x->tail.time_pct;
		break;
	default:
		break;
	}
}

/* --- when, where ------------------------------------------------------------------------------------ */

static void place_of(struct diagnosis *d, const struct bad_session *s)
{
	if (!s->at.known)
		return;
	d->session_id = s->session_id;
	d->instance = s->instance;
	d->since_us = s->at.time_us;
	d->since_token = s->at.sequence_length;
}

static void first_bad_of(struct diagnosis *d, const struct findings *f, enum alarm_type type)
{
	place_of(d, &f->first_bad[type]);
}

/* The first alarm of the type that is named, or else the first step that breaks the rule that is, for its time if any
 * does. */
static void first_alarm_of(struct diagnosis *d, const struct findings *f)
{
	for (size_t i = 0; i < d->n_evidence; i++) {
		const struct evidence *e = &d->evidence[i];
		const enum alarm_type type = alarm_by_id(slice_of(e->text));

		if (e->id == E_LIVE_ALARM && type != ALARM_TYPE_COUNT) {
			place_of(d, &f->first_alarm[type]);
			return;
		}
		if (e->id == E_RULE_FIRES && type != ALARM_TYPE_COUNT) {
			place_of(d, &f->firing[type]);
			return;
		}
		if (e->id == E_RULE_BROKEN && type != ALARM_TYPE_COUNT && !d->since_us)
			place_of(d, f->first_lasted[type].at.known ? &f->first_lasted[type] : &f->first_broken[type]);
	}
}

static void fill_place(struct diagnosis *d, const struct findings *f, const struct facts *x, const struct shift *s)
{
	switch (d->cause) {
	case CAUSE_FP16_OVERFLOW:
	case CAUSE_NON_FINITE:
		first_bad_of(d, f, ALARM_NON_FINITE);
		break;
	case CAUSE_STATE_LEAK:
		first_bad_of(d, f, ALARM_STATE_LEAK);
		break;
	case CAUSE_STATE_JUMP:
		first_bad_of(d, f, ALARM_STATE_DIVERGENCE);
		break;
	case CAUSE_REPETITION:
		first_bad_of(d, f, ALARM_MODE_COLLAPSE);
		if (!*d->session_id && *x->p->loop_session) {
			d->session_id = x->p->loop_session;
			d->since_us = x->p->loop_us;
		} else if (!*d->session_id && x->p->higher_rate.run.tokens >= limit_of(T_SURE_TOKENS)) {
			d->session_id = x->p->higher_rate.run.session_id;
			d->since_us = x->p->higher_rate.run.from_us;
		}
		break;
	case CAUSE_ALARM:
		first_alarm_of(d, f);
		break;
	case CAUSE_WRONG_INPUT:
		first_bad_of(d, f, ALARM_WRONG_INPUT);
		if (!*d->session_id && x->p->fed_sessions > 1) {
			d->session_id = x->p->fed_worst.session_id;
			d->since_us = x->p->fed_worst.since_us;
		}
		break;
	case CAUSE_MODE_COLLAPSE:
		first_bad_of(d, f, ALARM_MODE_COLLAPSE);
		if (!*d->session_id && has_fallen(&x->fall)) {
			d->session_id = x->fall.session_id;
			d->since_us = x->fall.since_us;
		} else if (!*d->session_id && isfinite(x->sure.before_nats))
			d->since_us = x->sure.since_us;
		break;
	case CAUSE_MEMORY_GROWTH:
		d->since_us = growth_named(d, x)->since_us;
		if (state_grows(x->p)) {
			d->session_id = x->p->state.session_id;
			d->since_us = x->p->state.since_us;
		}
		break;
	case CAUSE_SWAPPING:
	case CAUSE_CPU_QUOTA:
	case CAUSE_OTHER_LOAD:
	case CAUSE_THROTTLING:
	case CAUSE_GPU_THROTTLING:
	case CAUSE_SLOWDOWN:
		d->since_us = s->fell ? s->since_us : 0;
		break;
	default:
		break;
	}
	if (f->n_sessions == 1 && f->sessions_total == 1) {
		d->session_id = f->session[0].session_id;
		d->instance = f->session[0].instance;
	}
}

/* A cause about a GPU is about the one that the strategy names by its number, unless samples of several named it. */
static void fill_device(struct diagnosis *d, const struct facts *x)
{
	if (*d->device || !x->cuda)
		return;
	switch (d->cause) {
	case CAUSE_MEMORY_GROWTH:
		d->device = d->situations >> IN_VRAM & 1 ? x->p->gpu_alone : "";
		break;
	case CAUSE_BANDWIDTH:
	case CAUSE_CUDA_KERNEL:
	case CAUSE_DECODE_BOUND:
	case CAUSE_GPU_THROTTLING:
	case CAUSE_LAUNCH_BOUND:
	case CAUSE_VRAM_ABOVE_PLAN:
		d->device = x->p->gpu_alone;
		break;
	default:
		break;
	}
}

/* --- parts -------------------------------------------------------------------------------------------- */

static unsigned situations_of(const struct facts *x)
{
	unsigned of_int8 = x->cuda ? IN_GPU_INT8 : IN_CPU_INT8, of_full = x->cuda ? IN_GPU : IN_CPU;
	const bool all_cores = !x->cuda && x->level[L_CPU].mean >= limit_of(T_ALL_CORES_PCT);
	const bool compiled = strstr(x->flags, "RWKV_JIT_ON=1") && strstr(x->flags, "RWKV_CUDA_ON=1");
	unsigned package = compiled ? 1U << IN_COMPILED : 0U,
		 busy = !all_cores ? 0U : 1U << (x->int8 ? IN_ALL_CORES_INT8 : IN_ALL_CORES);

	if (!strcmp(x->runtime, "llama.cpp") || !strcmp(x->runtime, "rwkv.cpp"))
		return busy | 1U << IN_GGML;
	if (!strcmp(x->runtime, "rwkvmon"))
		package |= 1U << IN_BUILT_IN;
	if (!strcmp(x->runtime, "rwkv") || !strcmp(x->runtime, "ChatRWKV"))
		package |= (!strncmp(x->version, "7", 1) ? 1U << IN_PACKAGE_7 : 0U) |
			   (x->cuda || x->int8 ? 0U : 1U << IN_PACKAGE_CPU);
	return busy | package | 1U << (x->int8 ? of_int8 : of_full) |
	       (is_sure(&x->sure) || has_fallen(&x->fall) ? 1U << IN_LOW_ENTROPY : 0U);
}

/* False when memory is out. */
static bool diagnose_part(struct diagnosis *out, const struct findings *f, const struct time_part *p,
			  const struct diagnose_options *opts)
{
	struct facts *x = malloc(sizeof *x);
	struct walk w = { .f = f, .p = p, .x = x, .opts = opts, .d = out };

	*out = (struct diagnosis){
		.cause = CAUSE_NOT_ENOUGH, .gain = NAN, .session_id = "", .instance = "", .device = "", .part = p
	};
	if (!x || !facts_of(x, p, opts)) {
		free(x);
		return false;
	}
	for (int a = 0; a < ANSWER_COUNT; a++)
		out->chance.of[a] = 1;
	out->situations = situations_of(x);
	walk_down(&w);
	if (out->cause != CAUSE_NOT_ENOUGH || (double)p->steps >= limit_of(T_STEPS))
		look_around(&w);
	if (out->cause == CAUSE_HEALTHY)
		advise(&w);
	fill_gain(out, x, shift_of_interest(&w));
	fill_place(out, f, x, shift_of_interest(&w));
	fill_device(out, x);
	out->bandwidth_source = x->bandwidth_source;
	out->bandwidth_gb_s = x->bandwidth_gb_s;
	out->achieved_gb_s = x->achieved_gb_s;
	out->bytes_per_token = x->bytes_per_token;
	free(x);
	return true;
}

/* Where on the way down the cause was named: what comes first explains what comes later. */
static enum answer_id end_of(const struct diagnosis *d)
{
	return d->n_steps ? d->step[d->n_steps - 1].answer : ANSWER_COUNT;
}

static bool is_graver(const struct diagnosis *a, const struct diagnosis *b)
{
	enum cause_kind x = cause_specs[a->cause].kind, y = cause_specs[b->cause].kind;

	if (!cause_is_bad(x) && !cause_is_bad(y)) /* what most of the log says */
		return a->part->steps > b->part->steps;
	if (x != y)
		return x > y;
	if (end_of(a) != end_of(b))
		return end_of(a) < end_of(b);
	return a->confidence != b->confidence ? a->confidence > b->confidence : a->part->steps > b->part->steps;
}

static void add_also(struct diagnosis *d, enum cause_id cause)
{
	if (!cause_is_bad(cause_specs[cause].kind) || cause == d->cause || comes_with(d->cause, cause))
		return;
	for (size_t i = 0; i < d->n_also; i++)
		if (d->also[i] == cause)
			return;
	d->also[d->n_also++] = cause;
}

/* Keeps the more severe of both; the cause of the other is listed as also true. */
static void join(struct diagnosis *best, struct diagnosis *next)
{
	bool graver = is_graver(next, best);
	struct diagnosis other = graver ? *best : *next;

	if (graver)
		*best = *next;
	add_also(best, other.cause);
	for (size_t i = 0; i < other.n_also; i++)
		add_also(best, other.also[i]);
	for (int a = 0; a < ANSWER_COUNT; a++) {
		best->by_chance[a] |= other.by_chance[a];
		best->chance.of[a] = fmin(best->chance.of[a], other.chance.of[a]);
	}
}

/* An instance unlike its peers is told, also where its own steps are too few, or in no part of theirs, to be judged. */
static void look_at_peers(struct diagnosis *out, const struct findings *f)
{
	struct walk w = { .f = f, .d = out, .testing = A_APART };

	if (cause_is_bad(cause_specs[out->cause].kind))
		return;
	for (size_t i = 0; i < f->peers.n_outliers; i++) {
		const struct peer_outlier *o = &f->peers.outlier[i];

		if (!o->is_worse)
			continue;
		out->n_evidence = 0;
		say_apart(&w, o);
		out->cause = CAUSE_UNLIKE_PEERS;
		out->confidence = CONFIDENCE_MEDIUM;
		out->instance = o->instance;
		out->since_us = o->since_us;
		return;
	}
}

/* That nobody heard of a critical alarm is told of the shortest log. */
static void look_at_delivery(struct diagnosis *out, const struct findings *f)
{
	struct walk w = { .f = f, .d = out, .testing = A_UNHEARD };

	if (!f->undelivered.critical)
		return;
	if (cause_is_bad(cause_specs[out->cause].kind)) {
		add_also(out, CAUSE_UNDELIVERED);
		w.testing = end_of(out); /* evidence is shown with the answer that it was told for */
		if (out->cause != CAUSE_UNDELIVERED)
			test_UNHEARD(&w);
		return;
	}
	out->n_evidence = 0;
	test_UNHEARD(&w);
	out->cause = CAUSE_UNDELIVERED;
	out->confidence = CONFIDENCE_HIGH;
}

bool diagnose(struct diagnosis *out, const struct findings *f, const struct diagnose_options *opts)
{
	static const struct time_part nothing = {
		.model_name = "", .strategy = "", .instance = "", .loop_session = "", .gpu_alone = ""
	};
	const struct time_breakdown *t = f->time_breakdown;
	const struct time_part *largest = &nothing; /* of which none may be large enough to be judged */
	struct diagnosis *next = malloc(sizeof *next);
	uint64_t steps = 0;
	size_t parts = 0;
	bool fine = next;

	for (size_t i = 0; t && i < t->n_parts; i++)
		steps += t->part[i]->steps;
	for (size_t i = 0; fine && t && i < t->n_parts; i++) {
		const struct time_part *p = t->part[i];

		largest = !p->mixed && p->steps > largest->steps ? p : largest;
		if (p->mixed || !p->steps ||
		    (double)p->steps < fmin(limit_of(T_PART_SHARE) * (double)steps, limit_of(T_STEPS)))
			continue;
		fine = diagnose_part(parts ? next : out, f, p, opts);
		if (fine && parts++)
			join(out, next);
	}
	if (fine && !parts)
		fine = diagnose_part(out, f, largest, opts);
	if (!parts)
		out->part = NULL;
	out->parts = parts;
	if (fine) {
		look_at_peers(out, f);
		look_at_delivery(out, f);
	}
	free(next);
	return fine;
}
