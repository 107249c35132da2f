/* backlog_gaps.c - roll-ups' steps by instance. */
#include "ship/backlog_gaps.h"

#include "base/json_read.h"
#include "base/lines.h"
#include "record/codec.h"

/* Told apart to the millisecond. */
static int64_t later(const struct backlog_gaps *g, int64_t now_us)
{
	const int64_t next = g->last_us / 1000 * 1000 + 1000;

	return now_us >= next ? now_us : next;
}

static void tell(struct backlog_gaps *g, struct slice instance, uint64_t steps, const char *why, int64_t now_us)
{
	struct field_values session = { .have = { 0 } }, extra = { .have = { 0 } };
	struct record rec = { .event = EVENT_GAP, .session = &session, .extra = &extra };

	if (!steps)
		return;
	rec.time_us = g->last_us = later(g, now_us);
	fields_set_text(&session, F_SESSION_ID, slice_of(""));
	fields_set_text(&session, F_INSTANCE, instance);
	fields_set_number(&extra, F_DROPPED, (double)steps);
	fields_set_text(&extra, F_REASON, slice_of(why));
	record_encode(&g->lines, &rec);
}

static uint64_t steps_of(struct slice line)
{
	int64_t records = 0;

	return json_read_whole(json_read_member(json_read_member(line, "rollup"), "records"), &records) && records > 0
		       ? (uint64_t)records
		       : 0;
}

void backlog_gaps_add(struct backlog_gaps *g, struct slice batch, uint64_t steps, const char *why, int64_t now_us)
{
	struct buf instance = { 0 }, of = { 0 };
	uint64_t sum = 0, told = 0;

	while (batch.n) {
		const struct slice line = next_line(&batch);
		uint64_t n = steps_of(line);

		n = n < steps - told - sum ? n : steps - told - sum; /* it says no more than was counted */
		buf_clear(&instance);
		json_read_text(&instance, json_read_member(line, "instance"));
		if (!slice_equal(buf_slice(&instance), buf_slice(&of))) {
			tell(g, buf_slice(&of), sum, why, now_us);
			told += sum;
			sum = 0;
			buf_clear(&of);
			buf_add(&of, instance.p, instance.used);
		}
		sum += n;
	}
	tell(g, buf_slice(&of), sum, why, now_us);
	tell(g, slice_of(""), steps - told - sum, why, now_us);
	g->lines.failed |= instance.failed || of.failed;
	buf_free(&instance);
	buf_free(&of);
}

void backlog_gaps_keep(struct backlog_gaps *g, struct slice rest)
{
	if (rest.n)
		memmove(g->lines.p, rest.p, rest.n);
	g->lines.used = rest.n;
	if (g->lines.p)
		g->lines.p[rest.n] = 0;
}

void backlog_gaps_free(struct backlog_gaps *g)
{
	buf_free(&g->lines);
}
