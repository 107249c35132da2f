/* batch.c - sorts the steps of a batch by session, keeping the order of the log within each. */
#include "analyze/batch.h"

#include "analyze/sessions.h"
#include "stats/range.h"

#include <stdlib.h>

enum { RUN_WORTH = 64 /* rows */, ROWS_LEAST = 4096 };

struct batch *batch_open(void)
{
	struct batch *b = aligned_alloc(64, sizeof *b);

	if (b) {
		b->n_parts = b->n_runs = 0;
		memset(b->slot, 0, sizeof b->slot);
		memset(b->pair, 0, sizeof b->pair);
	}
	return b;
}

size_t batch_rows_wanted(const struct batch *b)
{
	size_t wanted = RUN_WORTH * b->n_runs;

	return wanted < ROWS_LEAST ? ROWS_LEAST : wanted < COLUMNS_ROWS ? wanted : COLUMNS_ROWS;
}

static bool is_wanted(const struct analyze_options *o, const struct columns *c, size_t row)
{
	return (!o->session || slice_is(c->session_id[row], o->session)) &&
	       (!o->since_us || c->time_us[row] >= o->since_us) && (!o->until_us || c->time_us[row] <= o->until_us);
}

static struct slice instance_cut(const struct field_values *said)
{
	return session_cut(fields_text(said, F_INSTANCE));
}

static bool is_of(const struct batch_run *run, uint16_t who, struct slice instance)
{
	return run->who == who && slice_equal(instance_cut(run->said), instance);
}

/* The place of the row's id and instance. */
static __attribute__((noinline)) uint16_t pair_of(const struct batch *b, size_t row)
{
	const struct slice instance = instance_cut(b->log->session[row]);
	const uint16_t who = b->log->who[row];
	size_t at = (session_hash(instance) ^ who * UINT64_C(0x9e3779b97f4a7c15)) >> 16 & (PAIR_SLOTS - 1);

	while (b->pair[at] && !is_of(&b->run[b->pair[at] - 1], who, instance))
		at = (at + 1) & (PAIR_SLOTS - 1);
	return (uint16_t)at;
}

/* 1 + the latest run of the row's id and instance; 0: none in this part. Rows of an id mostly have the same fields. */
static uint16_t latest_run(struct batch *b, size_t row)
{
	const uint16_t who = b->log->who[row], latest = b->slot[who];
	const struct field_values *said = b->log->session[row];
	uint16_t run;

	if (!latest || b->run[latest - 1].said == said)
		return latest;
	run = b->pair[pair_of(b, row)];
	if (run) {
		b->run[run - 1].said = said;
		b->slot[who] = run;
	}
	return run;
}

/* The run of the part that the next step of the row's session is in; `latest`: as latest_run says. */
static uint16_t run_of(struct batch *b, struct batch_part *part, size_t row, uint16_t latest)
{
	struct batch_run *run = &b->run[b->n_runs];

	if (latest && b->run[latest - 1].n < RANGE_MOST)
		return (uint16_t)(latest - 1);
	*run = (struct batch_run){ .id = session_cut(b->log->session_id[row]),
				   .said = b->log->session[row],
				   .who = b->log->who[row],
				   .pair = latest ? b->run[latest - 1].pair : pair_of(b, row),
				   .goes_on = latest,
				   .next = -1 };
	part->n_runs++;
	b->n_sessions += !latest;
	if (latest)
		b->run[latest - 1].next = (int)b->n_runs;
	b->slot[run->who] = b->pair[run->pair] = (uint16_t)++b->n_runs;
	return (uint16_t)(b->n_runs - 1);
}

static void forget_runs(struct batch *b, size_t from)
{
	for (size_t i = from; i < b->n_runs; i++)
		b->slot[b->run[i].who] = b->pair[b->run[i].pair] = 0;
}

bool batch_join(struct batch *b, int i, int k)
{
	if (is_of(&b->run[i], b->run[k].who, instance_cut(b->run[k].said)))
		return false;
	while (!b->run[k].goes_on && b->run[i].next >= 0)
		i = b->run[i].next;
	if (!b->run[k].goes_on)
		b->run[i].next = k;
	b->run[k].goes_on = true;
	return true;
}

static struct batch_part *begin_part(struct batch *b, uint16_t from)
{
	struct batch_part *part = &b->part[b->n_parts++];

	b->n_sessions = 0;
	*part = (struct batch_part){ .run = (uint16_t)b->n_runs, .from = from, .event = -1 };
	return part;
}

/* Which run each step belongs to, and how long runs are; the number of steps. `run`: by row of the log. */
static size_t tell_runs_apart(struct batch *b, const struct analyze_options *wanted, uint16_t *run)
{
	const struct columns *c = b->log;
	struct batch_part *part = begin_part(b, 0);
	bool wants_all = !wanted->session && !wanted->since_us && !wanted->until_us;
	uint16_t n = 0, latest;

	for (size_t row = 0; row < c->n; row++) {
		if (!wants_all && c->event[row] != EVENT_SESSION_START && !is_wanted(wanted, c, row))
			continue;
		if (c->event[row] != EVENT_INFERENCE_STEP) {
			part->event = (int)row;
			forget_runs(b, part->run);
			part = begin_part(b, n);
			continue;
		}
		latest = latest_run(b, row);
		if (b->n_sessions == PART_SESSIONS && !latest) {
			forget_runs(b, part->run);
			part = begin_part(b, n);
		}
		part->n++;
		run[row] = run_of(b, part, row, latest);
		b->run[run[row]].n++;
		b->taken[n++] = (uint16_t)row;
	}
	forget_runs(b, part->run);
	return n;
}

/* Rows go to their runs; false: they are in order already. */
static bool put_in_order(struct batch *b, const uint16_t *run, size_t n)
{
	uint16_t next[COLUMNS_ROWS], at = 0;
	bool moved = false;

	for (size_t i = 0; i < b->n_runs; i++) {
		next[i] = b->run[i].from = at;
		at = (uint16_t)(at + b->run[i].n);
	}
	for (size_t i = 0; i < n; i++) {
		uint16_t row = b->taken[i], to = next[run[row]]++;

		b->row[to] = row;
		b->in_order[i] = to;
		b->run_of[i] = run[row];
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
	uint16_t run[COLUMNS_ROWS];
	size_t n;

	b->log = b->rows = log;
	b->n_parts = b->n_runs = 0;
	n = tell_runs_apart(b, wanted, run);
	if (put_in_order(b, run, n))
		b->rows = pick(b, b->row, n);
	describe_runs(b);
}
