#include "analyze/batch.h"

#include "analyze/sessions.h"

enum { SLOT_BITS = 10, SLOTS = 1 << SLOT_BITS };
_Static_assert(SLOTS >= 2 * COLUMNS_ROWS, "slots are never more than half full");

/* While a batch is being sorted. */
struct sorting {
	struct batch *b;
	uint16_t slot[SLOTS];	      /* 1 + run of the part; 0: free */
	uint64_t key[COLUMNS_ROWS];   /* of the id, by run */
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

/* Ids differ in their last bytes, most often. */
static uint64_t key_of(struct slice id)
{
	uint64_t key;

	if (id.n < sizeof key)
		return session_hash(id);
	memcpy(&key, id.p + id.n - sizeof key, sizeof key);
	return key;
}

/* The run of the part that steps of that session are in. */
static uint16_t run_of(struct sorting *s, struct batch_part *part, struct slice id)
{
	uint64_t key = key_of(id);
	size_t at = key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SLOT_BITS);
	struct batch *b = s->b;

	for (; s->slot[at]; at = (at + 1) % SLOTS)
		if (s->key[s->slot[at] - 1] == key && is_same(b->run[s->slot[at] - 1].id, id))
			return (uint16_t)(s->slot[at] - 1);
	b->run[b->n_runs] = (struct batch_run){ .id = id };
	s->key[b->n_runs] = key;
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

/* Is each of n elements equal to its neighbour? */
static bool is_one(const void *column, size_t n, size_t bytes)
{
	return !memcmp(column, (const char *)column + bytes, (n - 1) * bytes);
}

static void describe_runs(struct batch *b)
{
	for (size_t i = 0; i < b->n_runs; i++) {
		struct batch_run *run = &b->run[i];

		run->held = columns_held(b->rows, run->from, run->n);
		run->one_phase = is_one(b->rows->phase + run->from, run->n, sizeof *b->rows->phase);
		run->one_count = is_one(b->rows->token_count + run->from, run->n, sizeof *b->rows->token_count);
	}
}

/* The rows in order. */
static const struct columns *pick(struct batch *b, const uint16_t *row, size_t n)
{
	uint64_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= b->log->have[row[i]];
	columns_pick_steps(&b->sorted, b->log, row, n, any);
	return &b->sorted;
}

void batch_sort(struct batch *b, const struct columns *log, const struct analyze_options *wanted)
{
	const struct batch_part *last;
	struct sorting s;
	size_t n;

	s.b = b;
	b->log = b->rows = log;
	b->n_parts = b->n_runs = 0;
	tell_runs_apart(&s, wanted);
	last = &b->part[b->n_parts - 1];
	n = (size_t)last->from + last->n;
	if (put_in_order(&s, n))
		b->rows = pick(b, s.row, n);
	describe_runs(b);
}
