/* drain.c - the writer thread: ring → rules → sinks. */
#include "collect/collector.h"

static const uint64_t FLUSH_NS = 100000000, SOON_NS = 10000000;

static void to_sinks(struct rwkvmon *mon, const struct record *r)
{
	for (size_t i = 0; i < mon->n_sinks; i++)
		mon->sink[i]->write(mon->sink[i], r);
}

static void tell_alarms(struct rwkvmon *mon, const struct record *r, const struct rule_finding *finding, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct field_values extra;
		struct record alarm;

		if (!finding[i].changed)
			continue;
		mon->alarms[finding[i].type] += finding[i].firing;
		rules_alarm_record(&finding[i], r, mon->lang, &alarm, &extra);
		to_sinks(mon, &alarm);
	}
}

void collector_deliver(struct rwkvmon *mon, const struct record *r)
{
	struct rule_finding finding[RULES_MAX];
	size_t n = rules_eval(mon->program->rules, r, finding);

	to_sinks(mon, r);
	tell_alarms(mon, r, finding, n);
}

/* Takes over rules that were read anew; alarms of rules that are no more are resolved. */
static void change_rules(struct rwkvmon *mon)
{
	struct rule_program *next = atomic_exchange_explicit(&mon->next_rules, NULL, memory_order_acq_rel);
	struct record now = { .time_us = clock_wall_us(mon->clock), .event = EVENT_INFERENCE_STEP, .session = &mon->session };
	struct rule_finding gone[RULES_MAX];
	size_t n;

	if (!next)
		return;
	n = rules_inherit(next->rules, mon->program->rules, gone);
	tell_alarms(mon, &now, gone, n);
	collector_free_rules(mon->program);
	mon->program = next;
}

static void tell_dropped(struct rwkvmon *mon)
{
	uint64_t dropped = atomic_load_explicit(&mon->dropped, memory_order_relaxed);
	struct field_values extra = { 0 };
	struct record gap = { .time_us = clock_wall_us(mon->clock), .event = EVENT_GAP, .session = &mon->session, .extra = &extra };

	if (dropped == mon->dropped_told)
		return;
	fields_set_number(&extra, F_DROPPED, (double)(dropped - mon->dropped_told));
	fields_set_text(&extra, F_REASON, slice_of("ring full"));
	mon->dropped_told = dropped;
	to_sinks(mon, &gap);
}

/* Records lost since the one before: told by the next one, so that a rule can judge it. */
static void mark_dropped(struct rwkvmon *mon, struct record *r)
{
	uint64_t dropped = atomic_load_explicit(&mon->dropped, memory_order_relaxed) + (mon->log ? log_dropped(mon->log) : 0);

	if (dropped > mon->dropped_marked)
		record_set(r, M_RECORDS_DROPPED, (double)(dropped - mon->dropped_marked));
	mon->dropped_marked = dropped;
}

/* An entry is a record, its layers' norms, token ids, text and own fields; the pointers are set to where they lie. */
static struct record unpack(const struct rwkvmon *mon, const void *entry)
{
	struct record r;
	const char *tail = (const char *)entry + sizeof r;

	memcpy(&r, entry, sizeof r);
	r.session = &mon->session;
	if (r.layer_norm) {
		r.layer_norm = (const float *)(const void *)tail;
		tail += mon->n_norms * sizeof *r.layer_norm;
	}
	if (r.tokens) {
		r.tokens = (const uint32_t *)(const void *)tail;
		tail += r.n_tokens * sizeof *r.tokens;
	}
	if (r.text.p) {
		r.text.p = tail;
		tail += r.text.n;
	}
	if (r.own)
		r.own = tail;
	return r;
}

static void empty_ring(struct rwkvmon *mon)
{
	const void *entry;
	size_t n;

	while ((entry = ring_front(&mon->ring, &n))) {
		struct record r = unpack(mon, entry);

		mark_dropped(mon, &r);
		collector_deliver(mon, &r);
		ring_pop(&mon->ring);
	}
}

static void flush_sinks(struct rwkvmon *mon)
{
	for (size_t i = 0; i < mon->n_sinks; i++)
		if (mon->sink[i]->flush)
			mon->sink[i]->flush(mon->sink[i]);
	mon->flushed_ns = clock_mono_ns(mon->clock);
}

/* Waking up costs more than the few records that come meanwhile: all wait for the next flush, unless the
 * ring fills (worker_call in step.c) or each record is to reach the disk. */
uint64_t collector_drain(void *ctx)
{
	struct rwkvmon *mon = ctx;
	uint64_t since_ns;

	change_rules(mon);
	empty_ring(mon);
	tell_dropped(mon);
	since_ns = clock_mono_ns(mon->clock) - mon->flushed_ns;
	if (since_ns >= FLUSH_NS) {
		flush_sinks(mon);
		since_ns = 0;
	}
	return mon->in_a_hurry ? SOON_NS : FLUSH_NS - since_ns;
}
