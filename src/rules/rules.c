/* rules.c - the rules of one session: which apply, by which limits, and what they say about each record. */
#include "base/clock.h"
#include "rules/able.h"
#include "spec/settings.h"
#include "spec/text.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* The numbers of session_start have places of their own, in the order of fields.def. */
enum {
	SESSION_NUMBERS = 0
#define FIELD(name, path, field_kind, field_owner, ...)                                                                \
	+(OWNER_##field_owner == OWNER_SESSION && KIND_##field_kind != KIND_TEXT)
#include "spec/fields.def"
#undef FIELD
};

struct rules {
	/* What every step that is judged in the order of the log needs stands first. */
	struct learned *learned;
	struct scope_place place;            /* where this session learns */
	const struct field_values *scope_of; /* the fields that said where; only compared */
	uint64_t decoded;                    /* tokens since the last prompt, decoded one by one */
	uint64_t records;                    /* steps seen */
	uint32_t stream;                     /* tells this session from others of the scope */
	uint32_t limits_version;             /* grows when limits may have changed */
	struct judging judging;

	const struct ruleset *set;
	struct rules_share *share;         /* NULL: none */
	int64_t shared_second;             /* the last one in which the share has counted it */
	struct learned *own;               /* this session's alone, to be freed; else sessions learn together */
	uint64_t instance;                 /* as last named */
	double goal_tps, session_goal_tps; /* the speed that is wanted, as the caller, as session_start says; 0: none */
	struct window *learning;           /* [METRIC_COUNT], of sets that learn their baseline; else NULL */
	double *baseline;                  /* [METRIC_COUNT], NAN: none yet; NULL: the set's own */
	double session[SESSION_NUMBERS];   /* numbers of session_start; NAN unknown */
	double vocab;                      /* one of them */
};

static bool is_session_number(enum field_id f)
{
	return field_specs[f].owner == OWNER_SESSION && field_specs[f].kind != KIND_TEXT;
}

static double session_number(const struct rules *r, enum field_id field)
{
	size_t place = 0;

	for (int f = 0; f < (int)field; f++)
		place += is_session_number((enum field_id)f);
	return is_session_number(field) ? r->session[place] : NAN;
}

static double baseline_of(const struct rules *r, enum metric_id m)
{
	return r->baseline ? r->baseline[m] : r->set->baseline[m];
}

/* NAN when there is no limit (yet), or it depends on the record. */
static double limit_value(const struct rules *r, const struct condition *c, const struct limit *limit)
{
	double base;

	switch (limit->kind) {
	case LIMIT_ABSOLUTE:
		return limit->value;
	case LIMIT_BASELINE:
		base = baseline_of(r, c->metric);
		return isnan(base) ? limit->otherwise : base * limit->value + limit->plus;
	case LIMIT_FIELD:
		base = session_number(r, limit->of.field);
		return isnan(base) ? limit->otherwise : base * limit->value + limit->plus;
	case LIMIT_GOAL:
		base = r->goal_tps > 0 ? r->goal_tps : r->session_goal_tps;
		if (!(base > 0))
			return limit->otherwise;
		base = metric_specs[c->metric].better == BETTER_HIGHER ? base : 1000 / base;
		return base * limit->value + limit->plus;
	case LIMIT_VOCAB:
		base = r->vocab;
		return !(base > 1) ? limit->otherwise : log(base) * limit->value + limit->plus;
	default:
		return NAN;
	}
}

/* Is the rule for models of that vocabulary? An unknown one counts as large. */
static bool suits_vocab(const struct rules *r, const struct vocab_range *range)
{
	double vocab = r->vocab;

	if (isnan(vocab))
		return range->at_most == UINT64_MAX;
	return vocab > (double)range->above && vocab <= (double)range->at_most;
}

/* An overlay's rules stand in for those of the same type, of which there must be some. */
static bool judges(const struct ruleset *set, enum alarm_type alarm)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->rule[i].alarm == alarm)
			return true;
	return false;
}

static size_t judged_n(const struct rules *r)
{
	return r->judging.plan->n_rules;
}

/* An overlay is for models of a vocabulary alone, also when it is chosen by itself. */
static bool suits_set(const struct rules *r, const struct ruleset *set)
{
	return !set->vocab_at_most || (r->vocab > 0 && r->vocab <= (double)set->vocab_at_most);
}

static bool rule_applies(const struct rules *r, const struct plan_rule *p)
{
	bool overlaid = r->set->overlay && suits_set(r, r->set->overlay);

	return suits_set(r, r->set) && suits_vocab(r, &p->is->vocab) &&
	       (p->own ? !(overlaid && judges(r->set->overlay, p->is->alarm))
		       : overlaid && judges(r->set, p->is->alarm));
}

uint64_t rules_suited(const struct rules *r)
{
	const struct ruleset *set = r->set, *over = set->overlay && suits_set(r, set->overlay) ? set->overlay : NULL;
	uint64_t suited = 0;

	for (size_t i = 0; suits_set(r, set) && i < set->n; i++)
		if (suits_vocab(r, &set->rule[i].vocab) || (over && judges(over, set->rule[i].alarm)))
			suited |= UINT64_C(1) << i;
	return suited;
}

/* Is there no such limit, and will be none unless the session says more? */
static bool is_no_limit(const struct limit *limit, double now)
{
	return limit->kind == LIMIT_NONE ||
	       (isnan(now) && (limit->kind == LIMIT_FIELD || limit->kind == LIMIT_VOCAB || limit->kind == LIMIT_GOAL));
}

/* Does a condition lack its limits? Until they are known nothing is kept for the rule. */
static bool rule_waits(const struct rules *r, const struct plan_rule *p)
{
	for (size_t i = p->first; i < p->first + p->is->n_when; i++) {
		const struct condition *c = r->judging.plan->condition[i].is;
		const struct limits_now *now = limits_of(&r->judging, &r->judging.plan->condition[i]);

		if (is_no_limit(&c->above, now->above) && is_no_limit(&c->below, now->below) && !c->sudden.of &&
		    !condition_is_unusual(c) && !c->absent)
			return true;
	}
	return false;
}

/* Windows that a judged rule looks at are fed. */
static void look_at_windows(struct judging *s, const struct plan_rule *p)
{
	for (size_t i = p->first; i < p->first + p->is->n_when; i++) {
		const struct plan_condition *c = &s->plan->condition[i];

		if (c->window != PLAN_NO_WINDOW)
			s->seen[c->window].on = true;
		if (c->recent != PLAN_NO_WINDOW)
			s->seen[c->recent].on = true;
	}
}

/* After what limits and overlay depend on has changed. */
static void settle(struct rules *r)
{
	struct judging *s = &r->judging;

	r->limits_version++;
	for (size_t i = 0; i < s->plan->n_conditions; i++) {
		const struct plan_condition *c = &s->plan->condition[i];

		if (c->limits != PLAN_NO_LIMITS)
			s->limits[c->limits] = (struct limits_now){ limit_value(r, c->is, &c->is->above),
								    limit_value(r, c->is, &c->is->below) };
	}
	for (size_t i = 0; i < s->plan->n_windows; i++)
		s->seen[i].on = false;
	for (size_t i = 0; i < s->plan->n_rules; i++) {
		const struct plan_rule *p = &s->plan->rule[i];
		struct judged *j = &s->judged[i];
		bool judged;

		j->applies = rule_applies(r, p);
		judged = j->applies && (!rule_waits(r, p) || !judged_is_quiet(j));
		rule_mask_put(&s->plain, i, judged && !p->learns);
		rule_mask_put(&s->learning, i, judged && p->learns && !p->plainly);
		rule_mask_put(&s->busy, i, !judged_is_quiet(j));
		s->skips &= judged_is_quiet(j);
		if (judged)
			look_at_windows(s, p);
	}
}

static uint64_t learned_by(const struct ruleset *set)
{
	uint64_t metrics = 0;

	for (size_t i = 0; set && i < set->n; i++)
		for (size_t c = 0; c < set->rule[i].n_when; c++)
			if (condition_is_learned(&set->rule[i].when[c]))
				metrics |= metric_bit(set->rule[i].when[c].metric);
	return metrics;
}

uint64_t ruleset_learned_metrics(const struct ruleset *set)
{
	return learned_by(set) | learned_by(set->overlay);
}

/* False: no memory. */
static bool join_learned(struct rules *r, struct learned *shared)
{
	uint64_t metrics = ruleset_learned_metrics(r->set);

	if (!metrics)
		return true;
	r->own = shared ? NULL : learned_open(metrics);
	r->learned = shared ? shared : r->own;
	r->stream = r->learned ? learned_stream(r->learned) : 0;
	return r->learned;
}

/* The next n structs of that size; at: what is used of `memory` (NULL: it is only measured). */
static void *cut(char *memory, size_t *at, size_t n, size_t bytes)
{
	size_t begin = *at;

	*at += (n * bytes + 63) / 64 * 64;
	return memory ? memory + begin : NULL;
}

/* Hands out the memory, or only measures it, and returns how much it is. */
static size_t lay_out(struct rules *r, char *memory)
{
	struct judging *s = &r->judging;
	const struct plan *plan = s->plan;
	size_t own = sizeof *r, to_line = memory ? -(uintptr_t)(memory + own) % 64 : 63;
	size_t learn = r->set->learn_records, at = own + to_line, zeroed = at;

	s->judged = cut(memory, &at, plan->n_rules, sizeof *s->judged);
	s->collapse = cut(memory, &at, plan->n_collapses, sizeof *s->collapse);
	s->limits = cut(memory, &at, plan->n_limits, sizeof *s->limits);
	s->seen = cut(memory, &at, plan->n_windows, sizeof *s->seen);
	s->ahead = cut(memory, &at, plan->n_ahead, sizeof *s->ahead);
	s->unusual = cut(memory, &at, plan->n_unusual, sizeof *s->unusual);
	s->beyond = cut(memory, &at, plan->n_beyond, sizeof *s->beyond);
	r->learning = learn ? cut(memory, &at, METRIC_COUNT, sizeof *r->learning) : NULL;
	r->baseline = learn ? cut(memory, &at, METRIC_COUNT, sizeof *r->baseline) : NULL;
	if (memory)
		memset(memory + zeroed, 0, at - zeroed);
	for (size_t i = 0; memory && i < plan->n_windows; i++) {
		const struct plan_window *w = &plan->window[i];

		s->seen[i] = (struct seen){ .values = { .scale = w->learned ? 0 : metric_specs[w->metric].scale,
							.cap = (uint16_t)w->span },
					    .low = { INFINITY, INFINITY },
					    .high = { -INFINITY, -INFINITY } };
	}
	for (size_t m = 0; memory && learn && m < METRIC_COUNT; m++)
		r->learning[m] = (struct window){ .scale = metric_specs[m].scale, .cap = (uint16_t)learn };
	return at;
}

static void begin(struct rules *r)
{
	struct judging *s = &r->judging;

	s->look_us = PACE_LOOK_US;
	s->waits_from = s->waits_to = COLUMNS_ROWS;
	r->shared_second = INT64_MIN;
	for (size_t i = 0; i < s->plan->n_rules; i++) {
		s->judged[i].violated_since_us = s->judged[i].fired_us = INT64_MIN;
		s->judged[i].pace.rests_us = PACE_FRESH;
	}
	for (size_t i = 0; i < s->plan->n_conditions; i++) {
		const struct plan_condition *c = &s->plan->condition[i];

		if (c->kind == CONDITION_AHEAD)
			s->ahead[c->state].over_us = c->is->forecast.over_us;
		if (c->kind == CONDITION_UNUSUAL) { /* a token is short: what goes wrong takes many */
			s->unusual[c->state].wait = UNUSUAL_WAIT_MOST;
			s->unusual[c->state].forgets = true;
		}
		if (c->kind == CONDITION_BEYOND) {
			s->beyond[c->state].wait = UNUSUAL_WAIT_MOST;
			s->beyond[c->state].texture = true;
		}
	}
	if (r->baseline)
		memcpy(r->baseline, r->set->baseline, METRIC_COUNT * sizeof *r->baseline);
	for (size_t i = 0; i < SESSION_NUMBERS; i++)
		r->session[i] = NAN;
	r->vocab = NAN;
}

int rules_open(struct rules **out, const struct ruleset *set, enum rules_mode mode, struct learned *learned,
	       struct err *err)
{
	struct rules fresh = { .set = set, .judging.plan = set->plan[mode] }, *r;

	*out = NULL;
	r = malloc(lay_out(&fresh, NULL)); /* aligned blocks of this size leave gaps between them */
	if (r) {
		*r = fresh;
		lay_out(r, (char *)r);
		begin(r);
	}
	if (!r || !join_learned(r, learned)) {
		rules_close(r);
		return err_set(err, ERR_NOMEM, "no memory for the rules' state");
	}
	settle(r);
	*out = r;
	return 0;
}

/* --- many sessions on one thread --------------------------------------------------------- */

void rules_share(struct rules *r, struct rules_share *share)
{
	r->share = share;
}

/* Times of several threads are nearly in order: a second that is over does not begin again, unless the clock was set
 * back. */
static void share_note(struct rules *r, int64_t time_us)
{
	enum { BACK_S = 3 };
	struct rules_share *share = r->share;
	int64_t second = time_us / 1000000;
	uint64_t most;

	if (second > share->second || second < share->second - BACK_S) {
		share->before = second == share->second + 1 ? share->look_ns : 0;
		share->look_ns = 0;
		share->second = second;
	}
	if (r->shared_second != share->second)
		share->look_ns += r->judging.plan->look_ns;
	r->shared_second = share->second;
	most = share->look_ns > share->before ? share->look_ns : share->before;
	share->look_us = (int64_t)(most / (RULES_SHARE_NS / 1000000));
	share->look_us = share->look_us > PACE_LOOK_US ? share->look_us : PACE_LOOK_US;
	share->binds |= share->look_us > PACE_LOOK_US;
	r->judging.look_us = share->look_us;
}

void rules_close(struct rules *r)
{
	if (!r)
		return;
	learned_close(r->own);
	for (size_t i = 0; i < r->judging.plan->n_windows; i++)
		window_close(&r->judging.seen[i].values);
	for (size_t m = 0; r->learning && m < METRIC_COUNT; m++)
		window_close(&r->learning[m]);
	free(r);
}

struct learned *rules_learned(const struct rules *r)
{
	return r->learned;
}

void rules_set_goal(struct rules *r, double tps)
{
	if (r->goal_tps == tps)
		return;
	r->goal_tps = tps;
	settle(r);
}

static void learn_session(struct rules *r, const struct field_values *session)
{
	size_t place = 0;

	r->session_goal_tps = setting_goal_tps(fields_text(session, F_GOAL));
	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!is_session_number((enum field_id)f))
			continue;
		if (fields_have(session, (enum field_id)f))
			r->session[place] = session->v[f].number;
		place++;
	}
	r->vocab = session_number(r, F_VOCAB_SIZE);
	settle(r);
}

static void learn_baseline(struct rules *r, const struct record *rec)
{
	double values[WINDOW_MAX];

	for (int m = 0; m < METRIC_COUNT; m++) {
		struct window *w = &r->learning[m];

		if (!record_has(rec, (enum metric_id)m) || w->n == w->cap)
			continue;
		window_push(w, rec->metric[m]);
		if (w->n < w->cap)
			continue;
		window_copy(w, values);
		r->baseline[m] = values_median(values, w->n);
		settle(r);
	}
}

/* What of a step tells where it learns. */
struct step {
	const struct field_values *session;
	enum phase phase;
	uint32_t token_count, batch_size;
};

/* The session is new, or starts again: maybe with another model. */
static __attribute__((noinline)) struct scope *find_scope(struct rules *r, const struct field_values *session)
{
	uint64_t instance = learned_instance(session);

	r->instance = instance ? instance : r->instance;
	r->place = learned_scope(r->learned, r->instance, session);
	r->scope_of = session;
	return r->place.scope;
}

/* Of rules that learn: what every step does before it is judged. Returns where it is learned; NULL: no memory. */
static inline struct scope *note_step(struct rules *r, const struct step *step)
{
	bool prompt = step->phase == PHASE_PREFILL || (!step->phase && step->token_count > 1);
	struct scope *scope = step->session == r->scope_of ? learned_again(r->learned, &r->place) : NULL;

	r->records++;
	r->decoded = prompt ? 0 : r->decoded + step->token_count;
	if (__builtin_expect(!scope, 0))
		scope = find_scope(r, step->session);
	if (scope)
		scope_note(scope, r->stream, step->batch_size, r->decoded, prompt ? step->token_count : 0);
	return scope;
}

/* What every record does before it is judged; false: it is not judged. Fills in where it is learned, if it is. */
static bool note_record(struct rules *r, const struct record *rec, struct scope **scope)
{
	if (rec->event == EVENT_SESSION_START) {
		learn_session(r, rec->session);
		r->instance = learned_instance(rec->session);
		r->scope_of = NULL;
	}
	if (rec->event != EVENT_INFERENCE_STEP)
		return false;
	if (r->set->learn_records)
		learn_baseline(r, rec);
	if (r->learned)
		*scope = note_step(r, &(struct step){ rec->session, rec->phase, rec->token_count, rec->batch_size });
	else
		r->records++;
	return true;
}

struct found {
	struct rule_finding *out; /* (n), at most RULES_MAX, by rule */
	size_t n, rule[RULES_MAX];
};

static void add_finding(void *ctx, size_t row, size_t rule, const struct rule_finding *f)
{
	struct found *found = ctx;
	size_t at = found->n;

	(void)row;
	if (found->n == RULES_MAX)
		return;
	for (; at && found->rule[at - 1] > rule; at--) {
		found->rule[at] = found->rule[at - 1];
		found->out[at] = found->out[at - 1];
	}
	found->rule[at] = rule;
	found->out[at] = *f;
	found->n++;
}

size_t rules_eval(struct rules *r, const struct record *rec, struct rule_finding out[RULES_MAX])
{
	struct judged_rows one = { .record = rec, .n = 1, .one_phase = true, .before = r->records };
	struct found found = { .out = out };
	struct scope *scope = NULL;

	if (!note_record(r, rec, &scope))
		return 0;
	if (r->share && r->judging.plan->look_ns)
		share_note(r, rec->time_us);
	one.held = (struct held){ .any = rec->have, .doubles = rec->have };
	judge_rows(&r->judging, &one, add_finding, &found);
	for (size_t i = 0; scope && i < r->learned->n_metrics; i++) {
		struct level *level = scope_level(scope, i);

		if (level)
			level_learn(level, judged_metric(&one, 0, (enum metric_id)r->learned->metric[i]));
	}
	judge_learning(&r->judging, scope, &one, add_finding, &found);
	return found.n;
}

/* --- many records at once ------------------------------------------------------------ */

bool rules_in_steps(const struct rules *r)
{
	return !r->set->learn_records;
}

void rule_hits_begin(struct rule_hits *hits, size_t rows)
{
	hits->n = 0;
	memset(hits->of_row, 0, rows * sizeof *hits->of_row);
}

static void rule_hits_add(struct rule_hits *hits, size_t row, size_t rule, const struct rule_finding *f)
{
	if (hits->n == hits->cap) {
		size_t cap = hits->cap ? 2 * hits->cap : 256;
		struct rule_hit *grown = cap < UINT32_MAX ? realloc(hits->hit, cap * sizeof *grown) : NULL;

		hits->failed |= !grown;
		if (!grown)
			return;
		hits->hit = grown;
		hits->cap = cap;
	}
	hits->hit[hits->n++] = (struct rule_hit){ .rule = rule, .next = hits->of_row[row], .is = *f };
	hits->of_row[row] = (uint32_t)hits->n;
}

static int by_rule(const void *a, const void *b)
{
	const struct rule_hit *x = *(const struct rule_hit *const *)a, *y = *(const struct rule_hit *const *)b;

	return (x->rule > y->rule) - (x->rule < y->rule);
}

size_t rule_hits_at(const struct rule_hits *hits, size_t row, struct rule_finding out[RULES_MAX])
{
	const struct rule_hit *hit[RULES_MAX];
	size_t n = 0;

	for (uint32_t at = hits->of_row[row]; at && n < RULES_MAX; at = hits->hit[at - 1].next)
		hit[n++] = &hits->hit[at - 1];
	qsort(hit, n, sizeof *hit, by_rule);
	for (size_t i = 0; i < n; i++)
		out[i] = hit[i]->is;
	return n;
}

static void add_hit(void *ctx, size_t row, size_t rule, const struct rule_finding *f)
{
	if (f->violated)
		rule_hits_add(ctx, row, rule, f);
}

void rules_judge_rows(struct rules *r, const struct judged_rows *rows, uint64_t ahead, struct rule_hits *hits)
{
	struct judged_rows these = *rows;

	these.before = r->records + ahead;
	judge_rows(&r->judging, &these, add_hit, hits);
}

/* A hit of the one row. */
struct one_hit {
	struct rule_hits *hits;
	size_t as;
};

static void add_one_hit(void *ctx, size_t row, size_t rule, const struct rule_finding *f)
{
	const struct one_hit *one = ctx;

	(void)row;
	add_hit(one->hits, one->as, rule, f);
}

static __attribute__((noinline)) void judge_learned(struct rules *r, const struct columns *c, size_t row,
						    struct one_hit hit)
{
	struct judged_rows one = { .c = c, .from = row, .n = 1, .one_phase = true, .before = r->records - 1 };

	one.held = (struct held){ .any = c->have[row], .doubles = c->have[row] };
	judge_learning(&r->judging, r->place.scope, &one, add_one_hit, &hit);
}

/* A metric that is learned, of all rows. */
struct learned_column {
	uint64_t bit;
	const double *value;    /* of the log */
	double *times;          /* of the sessions' rows */
	struct limits_now near; /* multiples between these are far for no rule */
};

/* The scope takes in a row of the log; true: one of its values is far from normal. */
static inline bool learn_row(const struct scope *scope, const struct learned_column *column, size_t n, uint64_t have,
			     size_t row, size_t as)
{
	bool far = false;

	for (size_t i = 0; i < n; i++) {
		const struct learned_column *c = &column[i];
		struct level *level = scope_level(scope, i);
		double times = NAN;

		if (__builtin_expect(level != NULL, 1))
			times = level_learn(level, have & c->bit ? c->value[row] : (double)NAN);
		c->times[as] = times;
		if (__builtin_expect(times > c->near.above || times < c->near.below, 0))
			far = true;
	}
	return far;
}

/* What learn_row needs of the session is underway when its turn comes. */
static inline void expect(const struct rules *r)
{
	for (size_t at = 0; at < offsetof(struct rules, judging.seen); at += 64)
		__builtin_prefetch((const char *)r + at);
}

static inline __attribute__((always_inline)) void learn_rows(const struct learned_rows *l, size_t n_metrics,
							     struct rule_hits *hits)
{
	enum { MANY = 16 /* runs: of fewer, all is near */, AHEAD = 8 /* rows */ };
	const size_t expected = l->n_runs > MANY && l->n > AHEAD ? l->n - AHEAD : 0;
	const struct rules *any = l->rules[l->first_run];
	struct learned_column column[METRIC_COUNT];
	const struct columns *c = l->log;

	for (size_t i = 0; i < n_metrics; i++) {
		enum metric_id m = (enum metric_id)any->learned->metric[i];

		column[i] = (struct learned_column){ metric_bit(m), c->value[m], l->times + i * COLUMNS_ROWS,
						     any->judging.plan->far[m] };
	}
	for (size_t i = 0; i < l->n; i++) {
		struct rules *r = l->rules[l->run[i]];
		const size_t row = l->row[i], as = l->as[i];
		struct scope *scope = note_step(r, &(struct step){ c->session[row], (enum phase)c->phase[row],
								   c->token_count[row], c->batch_size[row] });

		if (i < expected)
			expect(l->rules[l->run[i + AHEAD]]);
		if (scope &&
		    !judge_waits(&r->judging, l, as, learn_row(scope, column, n_metrics, c->have[row], row, as)))
			judge_learned(r, c, row, (struct one_hit){ hits, as });
	}
}

void rules_learn_rows(const struct learned_rows *l, struct rule_hits *hits)
{
	const size_t n_metrics = l->rules[l->first_run]->learned->n_metrics;

	if (n_metrics == 2) /* as in the default set: what is done with each is laid out twice then */
		learn_rows(l, 2, hits);
	else
		learn_rows(l, n_metrics, hits);
	for (size_t i = l->first_run; i < l->first_run + l->n_runs; i++)
		judge_catch_up(&l->rules[i]->judging, l);
}

bool rules_learn(const struct rules *r)
{
	return r->learned;
}

void rules_pass(struct rules *r, size_t n)
{
	r->records += n;
}

uint64_t rules_able(const struct rules *r, const struct judged_rows *rows, uint64_t left, uint64_t ask)
{
	struct judged_rows these = *rows;

	these.before = r->records - left;
	return able_types(&r->judging, &these, ask);
}

/* One limit among several conditions is none alone, unless the others only ask for what is absent. */
static bool limits_alone(const struct rule *is)
{
	for (size_t i = 1; i < is->n_when; i++)
		if (!condition_asks_for_absence(&is->when[i]))
			return false;
	return true;
}

size_t rules_limits(const struct rules *r, struct rule_limit out[RULE_LIMITS_MAX])
{
	const struct judging *s = &r->judging;
	size_t n = 0;

	for (size_t i = 0; i < judged_n(r); i++) {
		const struct plan_rule *p = &s->plan->rule[i];
		const struct limits_now *now = limits_of(s, &s->plan->condition[p->first]);
		struct rule_limit limit = { p->is->when[0].metric,          p->is->alarm, p->is->severity,
					    !isnan(p->is->when[0].missing), true,         now->above };

		/* What will be has another limit, and a spread's is not on the metric's scale. */
		if (!s->judged[i].applies || s->plan->condition[p->first].kind == CONDITION_AHEAD ||
		    p->is->when[0].by == BY_SPREAD || !limits_alone(p->is))
			continue;
		if (!isnan(now->above))
			out[n++] = limit;
		limit.above = false;
		limit.value = now->below;
		if (!isnan(now->below))
			out[n++] = limit;
	}
	return n;
}

struct rules_learning rules_learning(const struct rules *r)
{
	return (struct rules_learning){ r->judging.silent, r->judging.compared };
}

uint32_t rules_limits_version(const struct rules *r)
{
	return r->limits_version;
}

static const struct plan_rule *find_rule(const struct rules *r, const struct rule *like)
{
	const struct plan *plan = r->judging.plan;

	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct rule *is = plan->rule[i].is;

		if (r->judging.judged[i].applies && is->alarm == like->alarm && !strcmp(is->name, like->name))
			return &plan->rule[i];
	}
	return NULL;
}

static void inherit_alarm(struct judging *to, const struct plan_rule *now, const struct judging *from,
			  const struct plan_rule *was)
{
	struct judged *judged = &to->judged[now - to->plan->rule];
	struct collapse *collapse = collapse_of(to, now);
	bool applies = judged->applies;

	*judged = from->judged[was - from->plan->rule];
	judged->applies = applies;
	if (collapse)
		*collapse = *collapse_of(from, was);
}

/* What was learned goes on when the same metrics are to be. */
static void inherit_learned(struct rules *to, struct rules *from)
{
	struct learned *own = to->own;

	if (!own || !from->own || learned_metrics(own) != learned_metrics(from->own))
		return;
	to->own = to->learned = from->own;
	from->own = from->learned = own;
	from->scope_of = NULL; /* from->place is that of `to` now */
	to->stream = from->stream;
}

static void inherit_session(struct rules *to, struct rules *from)
{
	inherit_learned(to, from);
	to->records = from->records;
	memcpy(to->session, from->session, sizeof to->session);
	to->vocab = from->vocab;
	to->goal_tps = from->goal_tps;
	to->session_goal_tps = from->session_goal_tps;
	for (int m = 0; m < METRIC_COUNT; m++)
		if (to->set->learn_records && from->set->learn_records)
			to->baseline[m] = from->baseline[m];
	settle(to);
}

uint64_t rules_firing(const struct rules *r, enum severity least, int64_t since_us[ALARM_TYPE_COUNT])
{
	uint64_t types = 0;

	for (size_t i = 0; i < judged_n(r); i++) {
		const struct judged *j = &r->judging.judged[i];
		const struct rule *rule = r->judging.plan->rule[i].is;
		int64_t *since = &since_us[rule->alarm];

		if (!j->firing || rule->severity < least)
			continue;
		*since = types >> rule->alarm & 1 && *since < j->fired_us ? *since : j->fired_us;
		types |= UINT64_C(1) << rule->alarm;
	}
	return types;
}

size_t rules_inherit(struct rules *to, struct rules *from, struct rule_finding out[RULES_MAX])
{
	size_t n = 0;

	if (to)
		inherit_session(to, from);
	for (size_t i = 0; i < judged_n(from); i++) {
		const struct plan_rule *was = &from->judging.plan->rule[i], *now = to ? find_rule(to, was->is) : NULL;

		if (now) {
			inherit_alarm(&to->judging, now, &from->judging, was);
		} else if (from->judging.judged[i].firing && n < RULES_MAX) {
			judge_tell(&from->judging, was, &out[n]);
			out[n].firing = false;
			out[n++].changed = true;
		}
	}
	if (to)
		settle(to); /* what fires is judged */
	return n;
}

/* What is over, since when it stood, and for how long. */
static struct slice over_in_words(const struct rule_finding *f, int64_t now_us, enum lang lang, struct buf *words)
{
	char since[TIME_TEXT_BYTES], seconds[32];

	time_format(since, f->fired_us);
	snprintf(seconds, sizeof seconds, "%.1f", (double)(now_us - f->fired_us) / 1e6);
	text_fill(words, lang, TEXT_ALARM_OVER, f->summary[lang], since, seconds);
	return words->failed ? slice_of(f->summary[lang]) : buf_slice(words);
}

void rules_alarm_record(const struct rule_finding *f, const struct record *rec, enum lang lang, struct record *out,
			struct field_values *extra, struct buf *words)
{
	const bool over = !f->firing && f->fired_us != INT64_MIN;

	*extra = (struct field_values){ 0 };
	fields_set_text(extra, F_ALARM_TYPE, slice_of(alarm_specs[f->type].id));
	fields_set_text(extra, F_SEVERITY, slice_of(severity_ids[f->severity]));
	fields_set_text(extra, F_RULE, slice_of(f->rule));
	fields_set_text(extra, F_RULE_METRIC, slice_of(metric_specs[f->metric].id));
	if (f->is_spread)
		fields_set_text(extra, F_AGGREGATE, slice_of(aggregate_names[BY_SPREAD]));
	fields_set_number(extra, F_VALUE, f->is_spread ? f->value : metric_as_logged(f->metric, f->value));
	fields_set_number(extra, F_LIMIT, f->limit);
	fields_set_text(extra, F_STATE, slice_of(f->firing ? "firing" : "resolved"));
	fields_set_text(extra, F_SUMMARY,
			over ? over_in_words(f, rec->time_us, lang, words) : slice_of(f->summary[lang]));
	fields_set_text(extra, F_ACTION, slice_of(f->action[lang]));
	if (f->kind)
		fields_set_text(extra, F_KIND, slice_of(collapse_ids[f->kind]));
	if (f->first_bad_token) {
		fields_set_number(extra, F_FIRST_BAD_TOKEN, (double)f->first_bad_token);
		fields_set_number(extra, F_TOKENS_WASTED, (double)f->tokens_wasted);
	}
	*out = (struct record){ .time_us = rec->time_us,
				.event = f->firing ? EVENT_ALARM : EVENT_ALARM_RESOLVED,
				.session = rec->session,
				.extra = extra,
				.details = rec };
}
