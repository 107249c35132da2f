#include "analyze/batch.h"

#include "analyze/sessions.h"

enum { SLOTS = 2 * COLUMNS_ROWS };

/* While a batch is being sorted. */
struct sorting {
	struct batch *b;
	uint16_t slot[SLOTS];	      /* 1 + run of the part; 0: free */
	uint16_t run[COLUMNS_ROWS];   /* by row of the log */
	uint16_t taken[COLUMNS_ROWS]; /* rows of the log that are steps, in order */
	uint16_t row[COLUMNS_ROWS];   /* of the log, by row of the batch */
};

static bool is_wanted(const struct analyze_options *o, const struct columns *c, size_t row)
{
	return (!o->session || slice_is(c->session_id[row], o->session)) && (!o->since_us || c->time_us[row] >= o->since_us) &&
	       (!o->until_us || c->time_us[row] <= o->until_us);
}

/* Our own ids have 16 bytes. */
static bool is_same(struct slice a, struct slice b)
{
	uint64_t x[2], y[2];

	if (a.n != sizeof x || b.n != sizeof y)
		return slice_equal(a, b);
	memcpy(x, a.p, sizeof x);
	memcpy(y, b.p, sizeof y);
	return x[0] == y[0] && x[1] == y[1];
}

/* The run of the part that steps of that session are in. */
static uint16_t run_of(struct sorting *s, struct batch_part *part, struct slice id)
{
	size_t at = session_hash(id) % SLOTS;
	struct batch *b = s->b;

	for (; s->slot[at]; at = (at + 1) % SLOTS)
		if (is_same(b->run[s->slot[at] - 1].id, id))
			return (uint16_t)(s->slot[at] - 1);
	b->run[b->n_runs] = (struct batch_run){ .id = id, .all = UINT64_MAX };
	part->n_runs++;
	s->slot[at] = (uint16_t)++b->n_runs;
	return (uint16_t)(b->n_runs - 1);
}

static struct batch_part *begin_part(struct sorting *s, uint16_t from)
{
	struct batch_part *part = &s->b->part[s->b->n_parts++];

	*part = (struct batch_part){ .run = (uint16_t)s->b->n_runs, .from = from, .event = -1 };
	memset(s->slot, 0, sizeof s->slot);
	return part;
}

/* Which run each step belongs to, and how long runs are. */
static void tell_runs_apart(struct sorting *s, const struct analyze_options *wanted)
{
	const struct columns *c = s->b->log;
	struct batch_part *part = begin_part(s, 0);
	bool wants_all = !wanted->session && !wanted->since_us && !wanted->until_us;
	struct slice latest = { 0 };
	uint16_t n = 0, run = 0;

	for (size_t row = 0; row < c->n; row++) {
		if (!wants_all && c->event[row] != EVENT_SESSION_START && !is_wanted(wanted, c, row))
			continue;
		if (c->event[row] != EVENT_INFERENCE_STEP) {
			part->event = (int)row;
			part = begin_part(s, n);
			continue;
		}
		if (!part->n++ || part->n_runs > 1 || !is_same(latest, c->session_id[row])) {
			latest = c->session_id[row];
			run = run_of(s, part, session_cut(latest));
		}
		s->b->run[run].n++;
		s->b->run[run].any |= c->have[row];
		s->b->run[run].all &= c->decimal[row];
		s->run[row] = run;
		s->taken[n++] = (uint16_t)row;
	}
}

/* Rows go to their runs; false: they are in order already. */
static bool put_in_order(struct sorting *s, size_t n)
{
	struct batch *b = s->b;
	uint16_t next[COLUMNS_ROWS], at = 0;
	bool moved = false;

	for (size_t i = 0; i < b->n_runs; i++) {
		next[i] = b->run[i].from = at;
		at = (uint16_t)(at + b->run[i].n);
	}
	for (size_t i = 0; i < n; i++) {
		uint16_t row = s->taken[i], run = s->run[row], to = next[run]++;

		s->row[to] = row;
		b->in_order[i] = to;
		b->run_of[to] = run;
		moved |= row != to;
	}
	return moved;
}

void batch_sort(struct batch *b, const struct columns *log, const struct analyze_options *wanted)
{
	const struct batch_part *last;
	struct sorting s;
	uint64_t any = 0;
	size_t n;

	s.b = b;
	b->log = b->rows = log;
	b->n_parts = b->n_runs = 0;
	tell_runs_apart(&s, wanted);
	last = &b->part[b->n_parts - 1];
	n = (size_t)last->from + last->n;
	if (!put_in_order(&s, n))
		return;
	for (size_t i = 0; i < b->n_runs; i++)
		any |= b->run[i].any;
	columns_pick_steps(&b->sorted, log, s.row, n, any);
	b->rows = &b->sorted;
}
