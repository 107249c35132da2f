/* worst.c - the N worst steps per metric, by value, then by time. */
#include "analyze/worst.h"

#include <math.h>
#include <stdlib.h>

#define METRIC_IF(name, better, wanted) (BETTER_##better == BETTER_##wanted ? UINT64_C(1) << M_##name : 0)

/* Metrics of which greater, or smaller, values are worse. A similarity has no better side, but a state that jumps
 * wants to be looked at more than one that moves little. */
static const uint64_t greater_is_worse = 0
#define METRIC(core, name, group, id, key, unit, decimals, better, ...) | METRIC_IF(name, better, LOWER)
#include "spec/metrics.def"
#undef METRIC
	;
static const uint64_t smaller_is_worse = UINT64_C(1) << M_STATE_SIMILARITY
#define METRIC(core, name, group, id, key, unit, decimals, better, ...) | METRIC_IF(name, better, HIGHER)
#include "spec/metrics.def"
#undef METRIC
	;

/* Below 0 when a comes before b: is worse, or else earlier. */
static int order(const struct worst_step *a, const struct worst_step *b)
{
	if (a->bad != b->bad)
		return a->bad > b->bad ? -1 : 1;
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	if (a->sequence != b->sequence)
		return a->sequence < b->sequence ? -1 : 1;
	if (a->sequence_length != b->sequence_length)
		return a->sequence_length < b->sequence_length ? -1 : 1;
	if (a->session != b->session)
		return a->session < b->session ? -1 : 1;
	if (a->have != b->have)
		return a->have < b->have ? -1 : 1;
	return memcmp(a->metric, b->metric, sizeof a->metric);
}

static void insert(struct worst *w, enum metric_id m, const struct worst_step *step)
{
	struct worst_step *list = w->of[m];
	size_t at = w->n[m];

	while (at && order(step, &list[at - 1]) < 0)
		at--;
	if (at == FINDINGS_WORST)
		return;
	w->n[m] += w->n[m] < FINDINGS_WORST;
	memmove(&list[at + 1], &list[at], (w->n[m] - 1 - at) * sizeof *list);
	list[at] = *step;
}

static bool has_room(struct worst *w, enum metric_id m)
{
	if (!w->of[m])
		w->of[m] = calloc(FINDINGS_WORST, sizeof *w->of[m]);
	w->failed |= !w->of[m];
	return w->of[m] != NULL;
}

static void take(struct worst *w, enum metric_id m, double bad, const struct record *rec, int32_t session)
{
	struct worst_step step = { .bad = bad,
				   .time_us = rec->time_us,
				   .session = session,
				   .sequence = rec->sequence,
				   .token_count = rec->token_count,
				   .sequence_length = rec->sequence_length,
				   .phase = rec->phase,
				   .have = rec->have };

	if (!has_room(w, m))
		return;
	for (int i = 0; i < METRIC_COUNT; i++) /* what is not known may hold anything */
		step.metric[i] = record_has(rec, (enum metric_id)i) ? rec->metric[i] : 0;
	insert(w, m, &step);
}

/* Is a step of that badness among the worst so far, or perhaps, where it is equal to the last of them? */
static bool may_enter(const struct worst *w, enum metric_id m, double bad, int64_t time_us)
{
	const struct worst_step *last = w->n[m] < FINDINGS_WORST ? NULL : &w->of[m][FINDINGS_WORST - 1];

	return !last || bad > last->bad || (bad == last->bad && time_us <= last->time_us);
}

static double badness(enum metric_id m, double value)
{
	return smaller_is_worse & metric_bit(m) ? -value : value;
}

/* Values below this are surely not among the worst. */
static double least_bad(const struct worst *w, enum metric_id m)
{
	return w->n[m] < FINDINGS_WORST ? -INFINITY : w->of[m][FINDINGS_WORST - 1].bad;
}

static void add_metric(struct worst *w, enum metric_id m, const struct columns *c, const struct batch_run *run)
{
	double sign = badness(m, 1), least = least_bad(w, m);

	for (size_t row = run->from; row < (size_t)run->from + run->n; row++) {
		struct record rec;
		double bad;

		if (!(c->have[row] >> m & 1) || (!(c->decimal[row] >> m & 1) && sign * c->value[m][row] < least))
			continue;
		bad = badness(m, columns_value(c, row, m));
		if (!may_enter(w, m, bad, c->time_us[row]))
			continue;
		columns_record(c, row, &rec);
		take(w, m, bad, &rec, run->place.session);
		least = least_bad(w, m);
	}
}

/* The worst of a column, where it is known; else as bad as can be. */
static double worst_of(const struct held *held, const struct ranges *r, enum metric_id m)
{
	bool low = smaller_is_worse & metric_bit(m);

	if (held->decimals >> m & 1)
		return badness(m, (double)(low ? r->decimal[m].low : r->decimal[m].high) / metric_specs[m].scale);
	if (held->doubles >> m & 1)
		return badness(m, low ? r->real[m].low : r->real[m].high);
	return INFINITY;
}

void worst_add(struct worst *w, const struct columns *c, const struct batch_run *run, const struct ranges *ranges)
{
	int64_t earliest = c->time_us[run->from];

	for (size_t row = run->from; row < (size_t)run->from + run->n; row++)
		earliest = c->time_us[row] < earliest ? c->time_us[row] : earliest;
	for (uint64_t any = run->held.any & (greater_is_worse | smaller_is_worse); any; any &= any - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(any);

		if (may_enter(w, m, worst_of(&run->held, ranges, m), earliest))
			add_metric(w, m, c, run);
	}
}

void worst_merge(struct worst *into, const struct worst *from)
{
	into->failed |= from->failed;
	for (int m = 0; m < METRIC_COUNT; m++)
		for (size_t i = 0; i < from->n[m] && has_room(into, (enum metric_id)m); i++)
			insert(into, (enum metric_id)m, &from->of[m][i]);
}

void worst_free(struct worst *w)
{
	for (int m = 0; m < METRIC_COUNT; m++)
		free(w->of[m]);
	*w = (struct worst){ .failed = false };
}

static void tell(struct moment *out, enum metric_id m, const struct worst_step *s, const char *session_id)
{
	*out = (struct moment){ .metric = m,
				.value = s->metric[m],
				.session_id = session_id,
				.time_us = s->time_us,
				.phase = s->phase,
				.sequence = s->sequence,
				.sequence_length = s->sequence_length,
				.token_count = s->token_count,
				.have = s->have };
	memcpy(out->of, s->metric, sizeof out->of);
}

struct moment *worst_list(const struct worst *w, struct arena *arena, const char *const *session_id,
			  const bool varies[METRIC_COUNT], size_t *n)
{
	struct moment *list;
	size_t all = 0;

	for (int m = 0; m < METRIC_COUNT; m++)
		all += w->n[m];
	*n = 0;
	list = arena_alloc(arena, all + 1, sizeof *list);
	for (int m = 0; list && m < METRIC_COUNT; m++)
		for (size_t i = 0; varies[m] && i < w->n[m]; i++) {
			const struct worst_step *s = &w->of[m][i];

			tell(&list[(*n)++], (enum metric_id)m, s, s->session < 0 ? "" : session_id[s->session]);
		}
	return list;
}
