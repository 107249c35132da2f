/* compare_side.c - steps go into blocks of equal length; when there are too many, neighbours are joined. */
#include "analyze/compare_side.h"

#include <stdlib.h>

enum { FIRST_BLOCK_STEPS = 25 };

int compare_side_open(struct compare_side **out, uint64_t warmup, struct err *err)
{
	struct compare_side *s = calloc(1, sizeof *s);

	*out = s;
	if (!s)
		return err_set(err, ERR_NOMEM, "no memory for the comparison");
	s->warmup = warmup;
	s->block_steps = FIRST_BLOCK_STEPS;
	return 0;
}

static void free_block(struct compare_block *b)
{
	for (int phase = 0; phase < PHASE_COUNT; phase++)
		metric_stats_free(&b->phase[phase]);
	free(b);
}

void compare_side_close(struct compare_side *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free_block(s->block[i]);
	sessions_free(&s->sessions);
	free(s->session);
	free(s);
}

static int in_order(const void *a, const void *b)
{
	const struct compare_block *x = *(struct compare_block *const *)a, *y = *(struct compare_block *const *)b;

	if (x->session != y->session)
		return x->session < y->session ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

/* Blocks that have come to be the same one become one. */
static void join_equal(struct compare_side *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct compare_block *into = n ? s->block[n - 1] : NULL, *from = s->block[i];

		if (!into || in_order(&into, &from)) {
			s->block[n++] = from;
			continue;
		}
		for (int phase = 0; phase < PHASE_COUNT; phase++)
			metric_stats_merge(&into->phase[phase], &from->phase[phase]);
		free_block(from);
	}
	s->n = n;
	for (size_t i = 0; i < s->n_session; i++)
		s->session[i].open = NULL;
}

/* Makes blocks twice as long; when each session has but one, two sessions share them. */
static void halve(struct compare_side *s)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++)
		any |= s->block[i]->number > 0;
	for (size_t i = 0; i < s->n; i++) {
		s->block[i]->number /= 2;
		s->block[i]->session >>= !any;
	}
	s->block_steps *= 2;
	s->joined += !any;
	join_equal(s);
}

static struct compare_block *find_block(struct compare_side *s, uint32_t session, uint32_t number)
{
	struct compare_block *b;

	for (size_t i = s->n; i-- > 0;)
		if (s->block[i]->session == session && s->block[i]->number == number)
			return s->block[i];
	b = calloc(1, sizeof *b);
	s->failed |= !b;
	if (!b)
		return NULL;
	b->session = session;
	b->number = number;
	s->block[s->n++] = b;
	for (size_t i = s->n - 1; i && in_order(&s->block[i], &s->block[i - 1]) < 0; i--) {
		s->block[i] = s->block[i - 1];
		s->block[i - 1] = b;
	}
	return b;
}

/* NULL when memory is out. */
static struct compare_session *session_of(struct compare_side *s, struct slice session_id, struct slice instance,
					  uint32_t *index)
{
	struct session *of = sessions_find(&s->sessions, session_id, instance);
	size_t n = s->n_session ? s->n_session : 16;
	struct compare_session *grown;

	if (!of)
		return NULL;
	sessions_list(&s->sessions, of);
	*index = of->listed ? (uint32_t)of->index : FINDINGS_SESSIONS_MAX;
	while (n <= *index)
		n *= 2;
	if (n > s->n_session) {
		grown = realloc(s->session, n * sizeof *grown);
		if (!grown)
			return NULL;
		memset(grown + s->n_session, 0, (n - s->n_session) * sizeof *grown);
		s->session = grown;
		s->n_session = n;
	}
	return &s->session[*index];
}

static void count_samples(struct compare_side *s, const struct record *rec)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		struct compare_samples *seen = &s->samples[rec->phase][m];

		if (metric_specs[m].group != METRIC_RESOURCES || !record_has(rec, (enum metric_id)m))
			continue;
		seen->n += !seen->n || rec->metric[m] != seen->last;
		seen->last = rec->metric[m];
	}
}

/* A request that is refused at once would make its side the faster one: how long those last that fail says nothing. */
static void add_step(struct compare_side *s, struct metric_stats *stats, const struct record *rec)
{
	struct record answered;

	if (!record_has(rec, M_REQUEST_FAILED) || !(rec->metric[M_REQUEST_FAILED] > 0)) {
		metric_stats_add(stats, rec);
		return;
	}
	answered = *rec;
	record_unset(&answered, M_REQUEST_DURATION_MS);
	metric_stats_add(stats, &answered);
	s->failed_requests++;
}

void compare_side_add(struct compare_side *s, const struct record *rec, struct slice session_id)
{
	const struct slice instance = fields_text(rec->session, F_INSTANCE);
	struct compare_session *session;
	uint32_t index, number;

	if (rec->event != EVENT_INFERENCE_STEP)
		return;
	session = session_of(s, session_id, instance, &index);
	s->failed |= !session;
	if (!session)
		return;
	if (!session->steps) {
		session->from = s->records + s->left_out;
		session->instance = session_hash(instance);
	}
	session->to = s->records + s->left_out;
	if (session->steps++ < s->warmup) {
		s->left_out++;
		return;
	}
	number = (uint32_t)((session->steps - 1 - s->warmup) / s->block_steps);
	if (!session->open || session->open->number != number)
		session->open = find_block(s, index >> s->joined, number);
	if (!session->open)
		return;
	s->records++;
	add_step(s, &session->open->phase[rec->phase], rec);
	count_samples(s, rec);
	while (s->n > COMPARE_BLOCKS)
		halve(s);
}

/* Of the sessions that share the blocks of one number: when the side saw them. */
static struct compare_session whole_of(const struct compare_side *s, uint32_t number)
{
	struct compare_session whole = { .from = UINT64_MAX };

	for (size_t i = (size_t)number << s->joined; i < (size_t)(number + 1) << s->joined && i < s->n_session; i++) {
		const struct compare_session *of = &s->session[i];

		if (!of->steps)
			continue;
		whole.instance = of->instance;
		whole.from = of->from < whole.from ? of->from : whole.from;
		whole.to = of->to > whole.to ? of->to : whole.to;
	}
	return whole;
}

static bool same_run(const struct compare_side *s, uint32_t a, uint32_t b)
{
	struct compare_session x = whole_of(s, a), y = whole_of(s, b);

	return a == b || ((s->joined || x.instance == y.instance) && x.from <= y.to && y.from <= x.to);
}

size_t compare_side_runs(const struct compare_side *s, uint32_t run[COMPARE_BLOCKS])
{
	size_t runs = 0;

	for (size_t i = 0; i < s->n; i++) {
		size_t k = 0;

		while (k < i && !same_run(s, s->block[k]->session, s->block[i]->session))
			k++;
		run[i] = k < i ? run[k] : (uint32_t)runs++;
	}
	return runs;
}

bool compare_side_failed(const struct compare_side *s)
{
	bool failed = s->failed || s->sessions.failed;

	for (size_t i = 0; i < s->n; i++)
		for (int phase = 0; phase < PHASE_COUNT; phase++)
			failed |= metric_stats_failed(&s->block[i]->phase[phase]);
	return failed;
}
