/* judge.c - when the limits of a rule are violated for the time `for`, and the cooldown is over, its alarm fires; it
 * resolves once the value is back inside the limit by the share `clear`. */
#include "rules/conditions.h"

/* Of a quiet rule: takes in rows at which it is not violated, and returns the first that has to be judged. */
static size_t pass_by(struct sight *s, size_t from, size_t to)
{
	size_t taken[CONDITIONS_MAX], next = s->rows->before + to > s->rule->warmup ? from : to;

	for (size_t i = 0; i < s->rule->is->n_when; i++) {
		sight_face(s, i);
		taken[i] = next < to ? condition_ways[s->c->kind].next(s, from, to) : from;
		next = taken[i] > next ? taken[i] : next;
	}
	for (size_t i = 0; i < s->rule->is->n_when; i++) {
		sight_face(s, i);
		if (taken[i] < next && condition_ways[s->c->kind].feed)
			condition_ways[s->c->kind].feed(s, taken[i], next);
	}
	return next;
}

/* Judges all conditions; value and limit are those of the first. A quiet rule stays so as soon as one is not violated:
 * the others are only asked if they have to take the row in. */
static struct verdict look(struct sight *s, size_t row)
{
	bool quiet = judged_is_quiet(s->j);
	bool in_time =
		s->rows->before + row + 1 > s->rule->warmup && length_at(s->rows, row) >= s->rule->is->after_tokens;
	struct verdict all = { 0 };

	for (size_t i = 0; i < s->rule->is->n_when; i++) {
		struct verdict one;

		sight_face(s, i);
		if (quiet && i && !all.violated && !condition_ways[s->c->kind].feed)
			continue;
		one = condition_ways[s->c->kind].look(s, row, in_time);
		if (!i) {
			all = one;
			continue;
		}
		all.ready &= one.ready;
		all.violated &= one.violated;
		all.clear |= one.clear;
	}
	all.violated &= all.ready;
	return all;
}

/* Fires or resolves the alarm; true when it changed. */
static bool move(struct judged *j, const struct rule *rule, int64_t now_us, const struct verdict *v)
{
	bool was = j->firing;

	if (!v->violated)
		j->violated_since_us = INT64_MIN;
	else if (j->violated_since_us == INT64_MIN)
		j->violated_since_us = now_us;
	if (j->firing) {
		j->firing = v->violated || !v->clear;
	} else if (v->violated && now_us - j->violated_since_us >= rule->for_us &&
		   (j->fired_us == INT64_MIN || now_us - j->fired_us >= rule->cooldown_us)) {
		j->firing = true;
		j->fired_us = now_us;
	}
	return was != j->firing;
}

/* The number of tokens that the finding covers: for a loop, the value says how many tokens repeat (a share is of 100
 * tokens); everything else has lasted for as long as its windows are. */
static uint64_t span_of(const struct sight *s, double value)
{
	uint64_t span = 1;

	if (s->rule->is->kind == COLLAPSE_LOOP && value >= 1 && value < 1e15)
		return (uint64_t)value;
	for (size_t i = 0; i < s->rule->is->n_when; i++) {
		size_t over = s->s->plan->condition[s->rule->first + i].over;

		span = over > span ? over : span;
	}
	return span;
}

static void follow_collapse(struct sight *s, size_t row, const struct verdict *v, bool was_violated)
{
	struct collapse *c = collapse_of(s->s, s->rule);
	uint64_t span, at = length_at(s->rows, row);
	uint32_t sequence = sequence_at(s->rows, row);

	if (!c || !v->violated)
		return;
	span = span_of(s, v->value);
	if (!was_violated || !c->to || c->sequence != sequence)
		c->from = at > span ? at - span + 1 : 1;
	c->to = at;
	c->sequence = sequence;
}

void judge_tell(const struct judging *s, const struct plan_rule *p, struct rule_finding *f)
{
	const struct rule *rule = p->is;
	const struct collapse *c = collapse_of(s, p);

	*f = (struct rule_finding){ .type = rule->alarm,
				    .severity = rule->severity,
				    .metric = rule->when[0].metric,
				    .is_spread = rule->when[0].by == BY_SPREAD,
				    .rule = rule->name,
				    .summary = rule->summary,
				    .action = rule->action,
				    .cooldown_us = rule->cooldown_us,
				    .value = NAN,
				    .limit = NAN,
				    .fired_us = s->judged[p - s->plan->rule].fired_us,
				    .firing = s->judged[p - s->plan->rule].firing,
				    .kind = rule->kind };
	if (c && c->to >= c->from && c->to) {
		f->first_bad_token = c->from;
		f->tokens_wasted = c->to - c->from + 1;
	}
}

/* Marks what is being learned as doubtful, because a rule is violated: faults must not become normal. */
static void doubt(struct sight *s)
{
	for (size_t i = 0; i < s->rule->is->n_when; i++) {
		sight_face(s, i);
		if (s->c->kind == CONDITION_LEARNED && sight_level(s))
			level_doubt(sight_level(s), s->rows->normal[s->c->is->metric].value);
	}
}

/* False: no finding. */
static bool judge(struct sight *s, size_t row, struct rule_finding *f)
{
	bool was_violated = s->j->violated_since_us != INT64_MIN, changed;
	struct verdict v = look(s, row);

	changed = v.ready && move(s->j, s->rule->is, time_at(s->rows, row), &v);
	follow_collapse(s, row, &v, was_violated);
	if (v.violated || (v.ready && s->j->firing))
		doubt(s);
	if (!v.violated && !changed)
		return false;
	judge_tell(s->s, s->rule, f);
	f->value = v.value;
	f->limit = v.limit;
	f->violated = v.violated;
	f->lasted = v.violated && time_at(s->rows, row) - s->j->violated_since_us >= s->rule->is->for_us;
	f->changed = changed;
	return true;
}

static void judge_stretch(struct sight *s, size_t from, size_t to, judge_found *found, void *ctx)
{
	for (; from < to; from++) {
		struct rule_finding f;

		if (judged_is_quiet(s->j))
			from = pass_by(s, from, to);
		if (from < to && judge(s, from, &f))
			found(ctx, s->rows->from + from, (size_t)(s->rule - s->s->plan->rule), &f);
	}
}

/* How often something, nothing was known to be normal; of a rule that learns. */
static void note_known(struct sight *s)
{
	for (size_t i = 0; i < s->rule->is->n_when; i++) {
		sight_face(s, i);
		if (s->c->kind == CONDITION_LEARNED && !isnan(sight_value(s, 0)))
			*(level_is_known(sight_level(s)) ? &s->s->compared : &s->s->silent) += 1;
	}
}

/* --- rest ------------------------------------------------------------------------------ */

/* The rule joins those that rest, if it does at that time. */
static void rest(struct judging *s, size_t rule, int64_t now_us)
{
	const struct pace *p = &s->judged[rule].pace;
	bool rests = pace_rests(p, now_us, s->look_us);

	rule_mask_put(&s->resting, rule, rests);
	if (rests && p->rests_us > s->rest.first_us)
		s->rest.first_us = p->rests_us;
	if (rests && p->rests_us + PACE_STORE_US + s->look_us - 1 < s->rest.last_us)
		s->rest.last_us = p->rests_us + PACE_STORE_US + s->look_us - 1;
}

static struct row_times times_of(const struct judged_rows *rows)
{
	struct row_times t = { time_at(rows, 0), time_at(rows, 0) };

	for (size_t row = 1; row < rows->n; row++) {
		int64_t now = time_at(rows, row);

		t.first_us = now < t.first_us ? now : t.first_us;
		t.last_us = now > t.last_us ? now : t.last_us;
	}
	return t;
}

/* Those that rest at all of these rows go on to; it is seldom asked of each. */
static void wake(struct judging *s, const struct judged_rows *rows)
{
	const struct row_times now = times_of(rows);

	if (now.first_us >= s->rest.first_us && now.last_us <= s->rest.last_us)
		return;
	s->rest = (struct row_times){ INT64_MIN, INT64_MAX };
	for (size_t word = 0; word < PLAN_RULES / 64; word++)
		for (uint64_t todo = s->resting.bit[word]; todo; todo &= todo - 1) {
			size_t rule = 64 * word + (unsigned)__builtin_ctzll(todo);

			if (pace_rests(&s->judged[rule].pace, now.first_us, s->look_us))
				rest(s, rule, now.last_us);
			else
				rule_mask_put(&s->resting, rule, false);
		}
}

static bool is_for(const struct sight *s, size_t row)
{
	return s->rule->paced ? paced_rows_have(&s->due, row) : is_of_phase(s->rows, row, s->rule->is->phase);
}

/* Are all rows for the rule, or none? */
static bool is_for_all_alike(const struct sight *s)
{
	return s->rule->paced ? !s->due.n || s->due.n == s->rows->n : s->rows->one_phase || !s->rule->is->phase;
}

/* Which rows the paced rule looks at, each asked once. */
static void find_due(struct sight *s)
{
	const struct judged_rows *rows = s->rows;
	const uint64_t needs = s->rule->needs;
	const int64_t look_us = s->s->look_us;

	s->due.n = 0;
	memset(s->due.bit, 0, (rows->n + 63) / 64 * sizeof *s->due.bit);
	for (size_t row = 0; row < rows->n; row++) {
		int64_t now = time_at(rows, row);

		if (pace_rests(&s->j->pace, now, look_us) || needs & ~have_at(rows, row) ||
		    !is_of_phase(rows, row, s->rule->is->phase))
			continue;
		s->due.bit[row / 64] |= (uint64_t)pace_looks(&s->j->pace, now, look_us) << row % 64;
		s->due.n++;
	}
}

/* Stretches of rows of the rule's phase, or that its pace looks at. */
static void judge_rule(struct sight *s, size_t rule, judge_found *found, void *ctx)
{
	const struct judged_rows *rows = s->rows;
	bool alike;

	s->rule = &s->s->plan->rule[rule];
	s->j = &s->s->judged[rule];
	if (s->rule->paced)
		find_due(s);
	alike = is_for_all_alike(s);
	for (size_t at = 0, end; at < rows->n; at = end) {
		bool fits = is_for(s, at);

		end = alike ? rows->n : at + 1;
		while (end < rows->n && is_for(s, end) == fits)
			end++;
		if (fits && s->rule->learns && !s->rule->plainly)
			note_known(s);
		if (fits)
			judge_stretch(s, at, end, found, ctx);
	}
	rule_mask_put(&s->s->busy, rule, !judged_is_quiet(s->j));
	if (s->rule->paced)
		rest(s->s, rule, time_at(rows, rows->n - 1));
}

static void judge_mask(struct sight *s, const struct rule_mask *rules, judge_found *found, void *ctx)
{
	for (size_t word = 0; word < PLAN_RULES / 64; word++) {
		for (uint64_t todo = rules->bit[word] & ~s->s->resting.bit[word]; todo; todo &= todo - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(todo);
			const struct plan_rule *p = &s->s->plan->rule[64 * word + bit];

			if (!(p->needs & ~s->rows->held.any) || rule_mask_has(&s->s->busy, 64 * word + bit))
				judge_rule(s, 64 * word + bit, found, ctx);
		}
	}
}

void judge_rows(struct judging *s, const struct judged_rows *rows, judge_found *found, void *ctx)
{
	struct sight sight;

	sight.s = s;
	sight.rows = rows;
	if (rows->room)
		judge_room_turn(rows->room);
	wake(s, rows);
	judge_mask(&sight, &s->plain, found, ctx);
	windows_feed(s->plan, s->seen, rows);
}

/* --- of one row, by what is normal --- */

/* The rule's value is beyond its bounds often enough, or its alarm is on. */
static __attribute__((noinline)) void judge_far(struct judging *s, const struct judged_rows *one, size_t rule,
						judge_found *found, void *ctx)
{
	struct sight sight;

	sight.s = s;
	sight.rows = one;
	judge_rule(&sight, rule, found, ctx);
}

/* How many values beyond the bounds the window will hold with this one. */
static inline uint32_t far_with(const struct seen *seen, const struct plan_plain *p, double value)
{
	const struct window *v = &seen->values;
	uint32_t comes = beyond(value, p->above, p->below);

	if (__builtin_expect(!seen->n_far, 1))
		return comes;
	return seen->n_far + comes - (v->n == v->cap && beyond(window_oldest(v), p->above, p->below));
}

/* Which rows need not be judged: no alarm of a rule that learns plainly is on, and its window holds too few values that
 * are far. */
static void find_spare(struct judging *s)
{
	s->skips = s->plan->skips;
	s->spare = UINT32_MAX;
	for (size_t i = 0; i < s->plan->n_plain; i++) {
		const struct plan_plain *p = &s->plan->plain[i];
		const size_t far = s->seen[p->window].n_far;

		s->skips &= far < p->far_least && !rule_mask_has(&s->busy, p->rule);
		if (s->skips && p->far_least - 1 - far < s->spare)
			s->spare = (uint32_t)(p->far_least - 1 - far);
	}
}

/* The rules that learn plainly: most rows only go into their windows. */
static inline void judge_plainly(struct judging *s, const struct judged_rows *one, judge_found *found, void *ctx)
{
	const struct plan *plan = s->plan;
	const struct plan_plain *end = plan->plain + plan->n_plain;
	const enum phase phase = phase_at(one, 0);
	const bool busy = rule_mask_any(&s->busy);

	for (const struct plan_plain *p = plan->plain; p < end; p++) {
		const struct normal *normal = &one->normal[p->metric];
		struct seen *seen = &s->seen[p->window];
		uint32_t far;

		if (!phase_fits(phase, p->phase) || !seen->on)
			continue;
		if (isnan(normal->times)) {
			s->silent += isnan(normal->value) ? 0 : 1;
			continue;
		}
		s->compared++;
		far = far_with(seen, p, normal->times);
		if (__builtin_expect((far >= p->far_least && seen->values.n + 1U >= p->at_least) ||
					     (busy && rule_mask_has(&s->busy, p->rule)),
				     0))
			judge_far(s, one, p->rule, found, ctx);
		seen->n_far = (uint16_t)far;
		window_push(&seen->values, normal->times);
	}
	find_spare(s);
}

/* The other rules that learn. */
static __attribute__((noinline)) void judge_otherwise(struct judging *s, const struct judged_rows *one,
						      judge_found *found, void *ctx)
{
	struct sight sight;

	sight.s = s;
	sight.rows = one;
	wake(s, one);
	judge_mask(&sight, &s->learning, found, ctx);
	windows_feed_ordered(s->plan, s->seen, one);
}

/* What the row is held against. */
static inline void find_normal(const struct scope *scope, const struct judged_rows *one, struct normal *normal)
{
	for (size_t i = 0; i < scope->of->n_metrics; i++) {
		enum metric_id m = (enum metric_id)scope->of->metric[i];
		struct normal *n = &normal[m];

		n->level = scope_level(scope, i);
		n->value = judged_decoded(one, 0, m);
		n->times = n->level ? n->value / n->level->normal : (double)NAN;
	}
}

void judge_learning(struct judging *s, const struct scope *scope, struct judged_rows *one, judge_found *found,
		    void *ctx)
{
	struct normal normal[METRIC_COUNT];

	if (scope) {
		find_normal(scope, one, normal);
		one->normal = normal;
		judge_plainly(s, one, found, ctx);
	}
	if (s->plan->n_learning)
		judge_otherwise(s, one, found, ctx);
}

/* --- of rows that wait --- */

/* Multiples that rows have waited with. */
struct waiting {
	const uint8_t *phase; /* (n) */
	const uint64_t *have; /* (n) */
	const double *times;  /* (n) */
	size_t n;             /* at most WINDOW_MAX */
	bool one_phase;
};

static bool all_are_alike(const uint8_t *phase, size_t n)
{
	uint8_t apart = 0;

	for (size_t i = 1; i < n; i++)
		apart |= phase[i] ^ phase[0];
	return !apart;
}

static bool all_are_known(const double *times, size_t n)
{
	uint64_t unknown = 0;

	for (size_t i = 0; i < n; i++) /* in this form, compilers make vectors of it */
		unknown = times[i] != times[i] ? 1 : unknown;
	return !unknown;
}

/* Those that the rule's window takes; returns how many they are. */
static size_t pick_taken(struct judging *s, const struct plan_plain *p, const struct waiting *w, double *v)
{
	const uint8_t any = PHASE_UNKNOWN, wanted = (uint8_t)p->phase;
	size_t n = 0, with = 0;

	for (size_t i = 0; i < w->n; i++) {
		bool fits = (wanted == any) | (w->phase[i] == any) | (w->phase[i] == wanted);

		v[n] = w->times[i];
		n += fits && !isnan(w->times[i]);
		with += (size_t)fits & w->have[i] >> p->metric;
	}
	s->silent += with - n;
	return n;
}

static void catch_up(struct judging *s, const struct plan_plain *p, const struct waiting *w)
{
	struct seen *seen = &s->seen[p->window];
	const double *times = w->times;
	uint32_t far = 0;
	double v[WINDOW_MAX];
	size_t n = w->n;

	if (w->one_phase && !phase_fits((enum phase)w->phase[0], p->phase))
		return;
	if (!w->one_phase || !all_are_known(times, n)) {
		n = pick_taken(s, p, w, v);
		times = v;
	}
	window_push_many(&seen->values, times, n);
	s->compared += n;
	if (!s->far_waits && !seen->n_far)
		return;
	window_copy(&seen->values, v);
	for (size_t i = 0; i < seen->values.n; i++)
		far += beyond(v[i], p->above, p->below);
	seen->n_far = (uint16_t)far;
}

void judge_catch_up(struct judging *s, const struct learned_rows *l)
{
	if (s->waits_from == s->waits_to)
		return;
	for (size_t at = s->waits_from, n; at < s->waits_to; at += n) {
		struct waiting w = { .phase = l->rows->phase + at, .have = l->rows->have + at };

		w.n = n = s->waits_to - at < WINDOW_MAX ? s->waits_to - at : WINDOW_MAX;
		w.one_phase = all_are_alike(w.phase, n);
		for (size_t i = 0; i < s->plan->n_plain; i++) {
			const struct plan_plain *p = &s->plan->plain[i];

			w.times = l->times + p->number * COLUMNS_ROWS + at;
			if (s->seen[p->window].on)
				catch_up(s, p, &w);
		}
	}
	s->waits_from = s->waits_to = COLUMNS_ROWS;
	s->far_waits = false;
	find_spare(s);
}
