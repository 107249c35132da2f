/* report.c - a report into the ring. */
#include "collect/report.h"

#include "collect/collector.h"

#include <math.h>

static void fill(const struct rwkvmon_stream *s, const struct collector_report *from, struct record *r)
{
	*r = (struct record){
		.time_us = clock_wall_us(s->mon->clock),
		.event = EVENT_INFERENCE_STEP,
		.phase = from->phase,
		.token_count = from->token_count,
		.sequence_length = from->sequence_length,
		.ordinal = s->records + 1,
		.finish = (uint8_t)(from->finish ? 1 + (int)*from->finish : 0),
	};
	for (size_t i = 0; i < from->n_numbers; i++)
		if (from->numbers[i].metric >= 0 && isfinite(from->numbers[i].value))
			record_set(r, (enum metric_id)from->numbers[i].metric, from->numbers[i].value);
}

/* The twin of unpack() in drain.c: text and own fields follow the record. */
static void load(const struct collector_report *from, size_t text, struct carried *entry)
{
	struct record *r = &entry->record;
	char *tail = (char *)(entry + 1);

	if (text) {
		r->text = (struct slice){ from->text.p, text };
		memcpy(tail, from->text.p, text);
	}
	if (from->own.n) {
		r->own = from->own.p;
		r->own_bytes[OWN_TOP] = (uint16_t)from->own.n;
		memcpy(tail + text, from->own.p, from->own.n);
	}
}

static void push(struct rwkvmon_stream *s, const struct collector_report *from)
{
	struct rwkvmon *mon = s->mon;
	size_t text = mon->log_text ? from->text.n : 0;
	struct carried *entry = ring_reserve(&mon->ring, sizeof *entry + text + from->own.n + 1);

	if (!entry) {
		atomic_fetch_add_explicit(&s->dropped, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&mon->dropped, 1, memory_order_relaxed);
		return;
	}
	entry->stream = s;
	fill(s, from, &entry->record);
	load(from, text, entry);
	ring_commit(&mon->ring);
	if (ring_is_half_full(&mon->ring))
		pool_call(&mon->writer);
}

static void take(struct rwkvmon *mon, const struct collector_report *report)
{
	struct rwkvmon_stream *s = stream_named(mon, report->stream);

	mon->records++;
	mon->tokens += report->token_count;
	if (!s) {
		collector_astray(mon, ASTRAY_UNKNOWN, 1);
		return;
	}
	push(s, report);
	s->records++;
	s->tokens += report->token_count;
}

void collector_report(rwkvmon *mon, const struct collector_report *report)
{
	if (!collector_enter(mon)) {
		if (collector_is_ours(mon))
			collector_astray(mon, ASTRAY_BUSY, 1);
		return;
	}
	take(mon, report);
	collector_wake(mon);
	collector_leave(mon);
}
