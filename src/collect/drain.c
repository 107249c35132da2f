/* drain.c - the writer thread: ring → rules → sinks. */
#include "collect/acted.h"
#include "collect/collector.h"

static const uint64_t FLUSH_NS = 100000000, SOON_NS = 10000000;
static const uint64_t AWAKE_NS = 3000000000, DORMANT_NS = 5000000000;

void collector_number(struct rwkvmon_stream *s, struct record *r)
{
	if (r->event == EVENT_INFERENCE_STEP)
		s->steps_numbered = r->ordinal;
	else
		s->others_numbered++;
	r->ordinal = s->steps_numbered + s->others_numbered;
}

/* The log can drop records only while it is given one. */
static void to_sinks(struct rwkvmon_stream *s, const struct record *r)
{
	struct rwkvmon *mon = s->mon;
	uint64_t lost = mon->log ? log_dropped(mon->log) : 0;

	for (size_t i = 0; i < mon->n_sinks; i++)
		mon->sink[i]->write(mon->sink[i], r);
	s->lost += (mon->log ? log_dropped(mon->log) : 0) - lost;
}

/* Several rules may raise one alarm: it is firing while one of them is violated. */
static void count_firing(struct rwkvmon_stream *s, const struct rule_finding *f)
{
	uint64_t bit = UINT64_C(1) << f->type, on = atomic_load_explicit(&s->alarms_on, memory_order_relaxed);

	if (f->firing)
		s->firing[f->type]++;
	else if (s->firing[f->type])
		s->firing[f->type]--;
	on = s->firing[f->type] ? on | bit : on & ~bit;
	atomic_store_explicit(&s->alarms_on, on, memory_order_relaxed);
}

static void tell_alarms(struct rwkvmon_stream *s, const struct record *r, const struct rule_finding *finding, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct field_values extra;
		struct record alarm;
		struct buf words = { 0 };

		if (!finding[i].changed)
			continue;
		s->alarms[finding[i].type] += finding[i].firing;
		s->mon->alarms[finding[i].type] += finding[i].firing;
		count_firing(s, &finding[i]);
		rules_alarm_record(&finding[i], r, s->mon->lang, &alarm, &extra, &words);
		collector_number(s, &alarm);
		to_sinks(s, &alarm);
		buf_free(&words);
	}
}

/* What the rules have to know of the session before they judge its steps. */
static void tell_rules_the_session(struct rwkvmon_stream *s, int64_t time_us)
{
	const struct record start = { .time_us = time_us,
				      .event = EVENT_SESSION_START,
				      .session = stream_session(s),
				      .instance = &s->mon->session };
	struct rule_finding none[RULES_MAX];

	rules_eval(s->rules, &start, none);
}

/* A stream's rules; NULL: there is no memory for their state. Its records are written all the same, and at each of them
 * it is tried again. */
static struct rules *rules_of(struct rwkvmon_stream *s, const struct record *r)
{
	struct rule_program *program = s->mon->program;

	if (s->rules || rules_open(&s->rules, program->set, RULES_LIVE, rules_learned(program->rules), NULL))
		return s->rules;
	if (r->event != EVENT_SESSION_START)
		tell_rules_the_session(s, r->time_us);
	return s->rules;
}

void collector_deliver(struct rwkvmon_stream *s, const struct record *r)
{
	struct rule_finding finding[RULES_MAX];
	struct rules *rules = rules_of(s, r);
	size_t n;

	if (rules)
		rules_share(rules, &s->mon->share);
	n = rules ? rules_eval(rules, r, finding) : 0;

	if (s->mon->share.binds)
		atomic_store_explicit(&s->mon->look_us, s->mon->share.look_us, memory_order_relaxed);
	s->unjudged += !rules && r->event == EVENT_INFERENCE_STEP;
	to_sinks(s, r);
	tell_alarms(s, r, finding, n);
}

/* Alarms whose rules no longer exist are resolved; next: NULL: there is no memory for them, until the next record. */
static void change_rules_of(struct rwkvmon_stream *s, struct rules *next)
{
	struct record now = { .time_us = clock_wall_us(s->mon->clock),
			      .event = EVENT_INFERENCE_STEP,
			      .session = stream_session(s) };
	struct rule_finding gone[RULES_MAX];

	tell_alarms(s, &now, gone, rules_inherit(next, s->rules, gone));
	s->rules = next;
}

/* Switches to rules that were read again, first for the handle's own stream, which keeps what was learned. */
static void change_rules(struct rwkvmon *mon)
{
	struct rule_program *next = atomic_exchange_explicit(&mon->next_rules, NULL, memory_order_acq_rel);

	if (!next)
		return;
	change_rules_of(&mon->self, next->rules);
	for (struct rwkvmon_stream *s = mon->started; s; s = s->right) {
		struct rules *before = s->rules, *now = NULL;

		if (!before)
			continue;
		rules_open(&now, next->set, RULES_LIVE, rules_learned(next->rules), NULL);
		change_rules_of(s, now);
		rules_close(before);
	}
	collector_free_rules(mon->program);
	mon->program = next;
}

/* `what` counts the records: lost ones, or those that were not judged. */
static void tell_gap(struct rwkvmon_stream *s, enum field_id what, uint64_t records, const char *reason)
{
	struct field_values extra = { 0 };
	struct record gap = { .time_us = clock_wall_us(s->mon->clock),
			      .event = EVENT_GAP,
			      .session = stream_session(s),
			      .extra = &extra };

	fields_set_number(&extra, what, (double)records);
	fields_set_text(&extra, F_REASON, slice_of(reason));
	collector_number(s, &gap);
	to_sinks(s, &gap);
}

void collector_tell_dropped(struct rwkvmon_stream *s)
{
	uint64_t dropped = atomic_load_explicit(&s->dropped, memory_order_relaxed);

	if (dropped == s->dropped_told)
		return;
	tell_gap(s, F_DROPPED, dropped - s->dropped_told, "ring full");
	s->dropped_told = dropped;
}

void collector_tell_unjudged(struct rwkvmon_stream *s)
{
	if (s->unjudged == s->unjudged_told)
		return;
	tell_gap(s, F_UNJUDGED, s->unjudged - s->unjudged_told, "no memory for the rules' state");
	s->unjudged_told = s->unjudged;
}

/* Calls that are in no stream's records are reported by the handle's own stream. */
static void tell_astray(struct rwkvmon *mon)
{
	static const char *const reasons[ASTRAY_COUNT] = {
		[ASTRAY_UNKNOWN] = "streams beyond max-streams, or closed before",
		[ASTRAY_MEMORY] = "no memory for a stream",
		[ASTRAY_BUSY] = "another thread's call was inside",
	};

	for (int why = 0; why < ASTRAY_COUNT; why++) {
		uint64_t n = atomic_load_explicit(&mon->astray[why], memory_order_relaxed);

		if (n == mon->astray_told[why])
			continue;
		tell_gap(&mon->self, F_DROPPED, n - mon->astray_told[why], reasons[why]);
		mon->astray_told[why] = n;
	}
}

/* Records lost since the previous one; reported in the next one, so that a rule can judge their number. */
static void mark_dropped(struct rwkvmon_stream *s, struct record *r)
{
	uint64_t dropped = collector_missing(s);

	if (dropped > s->dropped_marked)
		record_set(r, M_RECORDS_DROPPED, (double)(dropped - s->dropped_marked));
	s->dropped_marked = dropped;
}

/* An entry is a record, its GPUs, its layers' norms, token ids, text and own fields; the pointers are set to where they
 * lie. */
static struct record unpack(struct rwkvmon *mon, const struct carried *entry)
{
	struct record r = entry->record;
	const char *tail = (const char *)(entry + 1);

	r.session = stream_session(entry->stream);
	if (r.event == EVENT_ACTION) {
		acted_unpack(tail, &mon->action);
		r.extra = &mon->action;
		return r;
	}
	if (r.gpu) {
		r.gpu = (const struct gpu_sample *)(const void *)tail;
		tail += r.n_gpus * sizeof *r.gpu;
	}
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

static void deliver_step(struct rwkvmon_stream *s, struct record *r)
{
	uint64_t step = r->ordinal;

	record_as_logged(r);
	mark_dropped(s, r);
	collector_number(s, r);
	collector_deliver(s, r);
	if (s->rules)
		collector_tell_unjudged(s);
	atomic_store_explicit(&s->judged, step, memory_order_relaxed);
}

/* False: it was empty. */
static bool empty_ring(struct rwkvmon *mon)
{
	const void *entry;
	bool any = false;
	size_t n;

	while ((entry = ring_front(&mon->ring, &n))) {
		struct rwkvmon_stream *s = ((const struct carried *)entry)->stream;
		struct record r = unpack(mon, entry);

		if (s != &mon->self) {
			stream_start(s, r.time_us);
			collector_tell_dropped(s);
		}
		if (r.event == EVENT_INFERENCE_STEP) {
			deliver_step(s, &r);
		} else {
			collector_number(s, &r);
			to_sinks(s, &r);
		}
		ring_pop(&mon->ring);
		any = true;
	}
	return any;
}

static void flush_sinks(struct rwkvmon *mon)
{
	for (size_t i = 0; i < mon->n_sinks; i++)
		if (mon->sink[i]->flush)
			mon->sink[i]->flush(mon->sink[i]);
	mon->flushed_ns = clock_mono_ns(mon->clock);
}

/* An idle handle is checked only every 5 s, so that its sinks keep their time limits; a record that comes then wakes
 * the writer (collector_wake). One more usual tick finds records that came just before the flag was set. */
static uint64_t rest(struct rwkvmon *mon, uint64_t usual_ns)
{
	if (clock_mono_ns(mon->clock) - mon->active_ns < AWAKE_NS)
		return usual_ns;
	if (!atomic_exchange_explicit(&mon->dormant, true, memory_order_relaxed))
		return usual_ns;
	return DORMANT_NS;
}

/* Waking up costs more than the few records that come meanwhile: all wait for the next flush, unless the
 * ring fills (pool_call in step.c) or each record is to reach the disk. */
uint64_t collector_drain(void *ctx)
{
	struct rwkvmon *mon = ctx;
	struct rwkvmon_stream *closed = stream_take_closed(mon);
	uint64_t now_ns, since_ns;
	bool any;

	change_rules(mon);
	any = empty_ring(mon) || closed;
	ring_touch(&mon->ring);
	stream_end_all(closed);
	collector_tell_dropped(&mon->self);
	tell_astray(mon);
	if (any || !atomic_load_explicit(&mon->dormant, memory_order_relaxed))
		resources_look_at_disk(mon->resources);
	now_ns = clock_mono_ns(mon->clock);
	since_ns = now_ns - mon->flushed_ns;
	if (since_ns + POOL_SLACK_NS >= FLUSH_NS) {
		flush_sinks(mon);
		since_ns = 0;
	}
	if (any || !mon->active_ns || (mon->log && log_waits(mon->log)))
		mon->active_ns = now_ns;
	return rest(mon, mon->in_a_hurry ? SOON_NS : FLUSH_NS - since_ns);
}
