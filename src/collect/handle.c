/* handle.c - the C API: open, begin, end, close. */
#include "collect/careless.h"
#include "collect/collector.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ENTER_TRIES = 20000 }; /* of 50 µs at least */
enum { STATE_MEMORY_BYTES = 256 << 20, MAX_STREAMS = 65536 };

static pthread_once_t forks_once = PTHREAD_ONCE_INIT;
_Atomic unsigned collector_forks;

static void count_fork(void)
{
	atomic_fetch_add_explicit(&collector_forks, 1, memory_order_relaxed);
	publish_forget();
	pool_forget();
	resources_forget();
	program_forget();
}

bool collector_enter_patiently(const struct rwkvmon *mon)
{
	const struct timespec moment = { .tv_nsec = 50000 };

	for (int i = 0; i < ENTER_TRIES && collector_is_ours(mon); i++) {
		if (collector_enter(mon))
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, count_fork);
}

/* The first and the last writes come from the caller's thread: a pipe nobody reads or a limit on file
 * sizes must not kill it by a signal that it never asked for. */
static void guard_signals(sigset_t *before)
{
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGPIPE);
	sigaddset(&ours, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &ours, before);
}

/* Consumes the signals that our writes raised, unless the caller had them blocked and may want them. */
static void unguard_signals(const sigset_t *before)
{
	const struct timespec at_once = { 0 };
	sigset_t ours;

	sigemptyset(&ours);
	for (int i = 0; i < 2; i++)
		if (!sigismember(before, i ? SIGPIPE : SIGXFSZ))
			sigaddset(&ours, i ? SIGPIPE : SIGXFSZ);
	while (sigtimedwait(&ours, NULL, &at_once) > 0)
		;
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

static int open_parts(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	int rc = ring_open(&mon->ring, cfg->ring_bytes ? cfg->ring_bytes : 1 << 20, err);

	mon->rules_name = arena_copy(&mon->arena, slice_of(cfg->rules ? cfg->rules : RULES_DEFAULT));
	if (!rc && !mon->rules_name)
		rc = err_set(err, ERR_NOMEM, "no memory for the rules' name");
	if (!rc)
		rc = collector_open_rules(&mon->program, mon->rules_name, err);
	if (rc)
		return rc;
	mon->self.rules = mon->program->rules;
	mon->self.observer = observer_open(NULL);
	mon->resources = resources_open(cfg->strategy, cfg->log_path);
	if (mon->self.observer && cfg->vocab_size)
		observer_set_vocab(mon->self.observer, cfg->vocab_size);
	return mon->self.observer ? 0 : err_set(err, ERR_NOMEM, "no memory for the observer");
}

static void deliver_event(struct rwkvmon_stream *s, enum event_type event, const struct field_values *extra)
{
	struct record r = {
		.time_us = clock_wall_us(s->mon->clock), .event = event, .session = stream_session(s), .extra = extra
	};

	collector_number(s, &r);
	collector_deliver(s, &r);
}

static int start(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	int rc = open_parts(mon, cfg, err);

	if (rc)
		return rc;
	collector_describe(mon, cfg);
	if (mon->arena.failed)
		return err_set(err, ERR_NOMEM, "no memory for the session's description");
	rc = collector_open_sinks(mon, cfg, err);
	if (rc)
		return rc;
	deliver_event(&mon->self, EVENT_SESSION_START, NULL);
	mon->writer = (struct pool_job){ .tick = collector_drain, .ctx = mon };
	rc = pool_join(&mon->writer, 0);
	return rc ? err_set_os(err, ERR_SYSTEM, rc, "the writer thread cannot be started") : 0;
}

static void free_parts(struct rwkvmon *mon)
{
	resources_close(mon->resources);
	observer_close(mon->self.observer);
	stream_free_all(mon);
	collector_free_rules(mon->program);
	collector_free_rules(mon->next_rules);
	deliver_close(mon->deliver, 0, NULL, 0);
	publish_close(mon->publish, NULL);
	log_close(mon->log, NULL, NULL);
	ring_close(&mon->ring);
	arena_free(&mon->arena);
}

/* The memory of closed handles is kept for a while, so that a late call can detect that its handle is closed. */
enum { CLOSED_KEPT = 16 };

static void bury(struct rwkvmon *mon)
{
	static _Atomic(struct rwkvmon *) closed[CLOSED_KEPT];
	static atomic_uint n;

	mon->forks = atomic_load_explicit(&collector_forks, memory_order_relaxed) - 1;
	free(atomic_exchange(&closed[atomic_fetch_add(&n, 1) % CLOSED_KEPT], mon));
}

void collector_copy_error(char *to, const struct err *err)
{
	if (to)
		snprintf(to, RWKVMON_ERROR_BYTES, "%s%s%s", err->text, err->hint[0] ? "\n" : "", err->hint);
}

static void begin_streams(struct rwkvmon *mon, const struct rwkvmon_config *cfg)
{
	mon->self.mon = mon->refused.mon = mon;
	mon->self.open = mon->self.started = true;
	mon->self.open_ns = mon->open_ns;
	mon->room.used_bytes = stream_copies();
	mon->room.most_bytes = cfg->state_memory_bytes ? cfg->state_memory_bytes : STATE_MEMORY_BYTES;
	mon->max_streams = cfg->max_streams ? cfg->max_streams : MAX_STREAMS;
}

int rwkvmon_open(rwkvmon **out, const struct rwkvmon_config *config, char *error)
{
	struct rwkvmon *mon = aligned_alloc(64, (sizeof *mon + 63) / 64 * 64);
	struct rwkvmon_config cfg;
	struct err err = { 0 };
	sigset_t before;
	int rc = out ? careless_config(config, &err) : err_set(&err, ERR_USAGE, "there is no place for the handle");

	if (out)
		*out = NULL;
	if (!rc && !mon)
		rc = err_set(&err, ERR_NOMEM, "no memory for a collector");
	if (rc) {
		collector_copy_error(error, &err);
		free(mon);
		return rc;
	}
	collector_copy_struct(&cfg, sizeof cfg, config, 0);
	memset(mon, 0, sizeof *mon);
	pthread_once(&forks_once, watch_forks);
	mon->forks = atomic_load_explicit(&collector_forks, memory_order_relaxed);
	mon->clock = &clock_system;
	mon->open_ns = clock_mono_ns(mon->clock);
	mon->lang = lang_of(cfg.lang) == LANG_COUNT ? LANG_EN : lang_of(cfg.lang);
	mon->log_tokens = cfg.log_tokens;
	mon->log_text = cfg.log_text;
	mon->block_when_full = cfg.block_when_full;
	mon->in_a_hurry = cfg.fsync == RWKVMON_SYNC_RECORD;
	mon->n_norms = cfg.log_state_norms && cfg.n_layer <= NORMS_MAX ? cfg.n_layer : 0;
	mon->budget = budget_of(cfg.overhead_budget_pct);
	mon->sampling = cfg.has_sampler ? (struct verdict_sampling){ cfg.temperature, cfg.top_p, cfg.alpha_frequency }
					: (struct verdict_sampling){ 1, 0.85, 0.2 };
	begin_streams(mon, &cfg);
	guard_signals(&before);
	rc = start(mon, &cfg, &err);
	unguard_signals(&before);
	if (rc) {
		collector_copy_error(error, &err);
		free_parts(mon);
		free(mon);
		return rc;
	}
	*out = mon;
	return 0;
}

static int set_own(rwkvmon *mon, const char *path, const struct buf *value, char *error)
{
	struct err err = { 0 };
	int rc = value->failed ? err_set(&err, ERR_NOMEM, "no memory for a field")
			       : own_fields_set(&mon->own, path, buf_slice(value), &err);

	if (rc)
		collector_copy_error(error, &err);
	return rc;
}

int rwkvmon_set_number(rwkvmon *mon, const char *path, double value, char *error)
{
	struct buf json = { 0 };
	int rc = 0;

	if (!collector_enter_patiently(mon))
		return 0;
	if (isfinite(value)) {
		buf_json_double(&json, value);
		rc = set_own(mon, path, &json, error);
	} else {
		own_fields_remove(&mon->own, path); /* unknown is absent */
	}
	collector_leave(mon);
	buf_free(&json);
	return rc;
}

int rwkvmon_set_text(rwkvmon *mon, const char *path, const char *text, char *error)
{
	struct buf json = { 0 };
	int rc = 0;

	if (!collector_enter_patiently(mon))
		return 0;
	if (text) {
		buf_json_string(&json, slice_of(text));
		rc = set_own(mon, path, &json, error);
	} else {
		own_fields_remove(&mon->own, path);
	}
	collector_leave(mon);
	buf_free(&json);
	return rc;
}

int rwkvmon_reload_rules(rwkvmon *mon, char *error)
{
	struct rule_program *next;
	struct err err = { 0 };
	int rc;

	if (!collector_enter_patiently(mon))
		return 0;
	collector_leave(mon); /* reading may take a while; the writer switches to the new rules by itself */
	rc = collector_open_rules(&next, mon->rules_name, &err);
	if (rc) {
		collector_copy_error(error, &err);
		return rc;
	}
	collector_free_rules(atomic_exchange_explicit(&mon->next_rules, next, memory_order_acq_rel));
	collector_wake(mon);
	return 0;
}

int rwkvmon_metric(const char *id)
{
	enum metric_id m = id ? metric_by_id(slice_of(id)) : METRIC_COUNT;

	return m == METRIC_COUNT ? -1 : (int)m;
}

static uint64_t alarm_count(const struct rwkvmon *mon)
{
	uint64_t n = 0;

	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		n += mon->alarms[i];
	return n;
}

/* Short sessions have too few samples to tell it. */
static void tell_whole(struct field_values *totals, const struct resources *resources)
{
	const struct resources_whole whole = resources_whole(resources);

	if (!isnan(whole.waiting_pct))
		fields_set_number(totals, F_TOTAL_WAITING, round(100 * whole.waiting_pct) / 100);
	if (!isnan(whole.stopped_pct))
		fields_set_number(totals, F_TOTAL_STOPPED, round(100 * whole.stopped_pct) / 100);
}

/* One field per alarm type follows F_TOTAL_OVERHEAD, in the order of alarms.def. */
void collector_deliver_end(struct rwkvmon_stream *s, const struct rwkvmon_totals *undelivered)
{
	struct field_values totals = { 0 };

	fields_set_number(&totals, F_TOTAL_RECORDS, (double)s->records);
	fields_set_number(&totals, F_TOTAL_TOKENS, (double)s->tokens);
	fields_set_number(&totals, F_TOTAL_DROPPED, (double)collector_missing(s));
	fields_set_number(&totals, F_TOTAL_SECONDS, (double)(clock_mono_ns(s->mon->clock) - s->open_ns) / 1e9);
	fields_set_number(&totals, F_TOTAL_OVERHEAD, (double)s->overhead_ns / 1e9);
	if (s == &s->mon->self)
		tell_whole(&totals, s->mon->resources);
	if (undelivered && undelivered->undelivered) {
		fields_set_number(&totals, F_TOTAL_UNDELIVERED, (double)undelivered->undelivered);
		fields_set_text(&totals, F_TOTAL_UNDELIVERED_WHY, slice_of(undelivered->undelivered_why));
	}
	if (undelivered && undelivered->undelivered_critical)
		fields_set_number(&totals, F_TOTAL_UNDELIVERED_CRITICAL, (double)undelivered->undelivered_critical);
	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		if (s->alarms[i])
			fields_set_number(&totals, (enum field_id)(F_TOTAL_OVERHEAD + 1 + i), (double)s->alarms[i]);
	s->steps_numbered = s->records; /* those dropped last, too */
	deliver_event(s, EVENT_SESSION_END, &totals);
}

/* Copies as much as the caller's struct holds; a size of 0 means the first version's size. */
static void give_totals(struct rwkvmon_totals *to, struct rwkvmon_totals *t)
{
	size_t size = to ? to->struct_size : 0, first = offsetof(struct rwkvmon_totals, trouble) + sizeof t->trouble;

	size = size ? size : first;
	if (!to || size < sizeof size)
		return;
	t->struct_size = to->struct_size;
	memcpy(to, t, size < sizeof *t ? size : sizeof *t);
}

static void count_so_far(const struct rwkvmon *mon, struct rwkvmon_totals *t)
{
	t->seconds = (double)(clock_mono_ns(mon->clock) - mon->open_ns) / 1e9;
	t->overhead_seconds = (double)mon->overhead_ns / 1e9;
	t->records = mon->records;
	t->tokens = mon->tokens;
	t->alarms = alarm_count(mon);
	t->streams = mon->streams_opened;
	t->streams_refused = mon->streams_refused;
	t->dropped = mon->dropped + (mon->log ? log_dropped(mon->log) : 0);
	if (mon->log)
		snprintf(t->log_path, sizeof t->log_path, "%s", log_path(mon->log));
}

void rwkvmon_so_far(const rwkvmon *mon, struct rwkvmon_totals *totals)
{
	struct rwkvmon_totals t = { 0 };
	struct err err = { 0 };

	if (collector_enter_patiently(mon)) {
		count_so_far(mon, &t);
		if ((mon->log && log_trouble(mon->log, &err)) || publish_trouble(mon->publish, &err))
			collector_copy_error(t.trouble, &err);
		collector_leave(mon);
	}
	give_totals(totals, &t);
}

int rwkvmon_close(rwkvmon *mon, struct rwkvmon_totals *totals)
{
	struct rwkvmon_totals t = { 0 };
	struct err err = { 0 };
	sigset_t before;
	uint64_t lost = 0;
	int rc, published;

	if (!collector_enter_patiently(
		    mon)) { /* closed before, or the parent's: what its writer held cannot be freed */
		give_totals(totals, &t);
		return 0;
	}
	pool_leave(&mon->writer);
	guard_signals(&before);
	stream_close_all(mon);
	collector_drain(mon);
	count_so_far(mon, &t);
	collector_close_receivers(mon, &t);
	collector_deliver_end(&mon->self, &t);
	rc = log_close(mon->log, &lost, &err);
	mon->log = NULL;
	t.dropped = mon->dropped + lost;
	published = publish_close(mon->publish, rc ? NULL : &err);
	mon->publish = NULL;
	rc = rc ? rc : published;
	if (rc)
		collector_copy_error(t.trouble, &err);
	free_parts(mon);
	bury(mon);
	unguard_signals(&before);
	give_totals(totals, &t);
	return rc;
}

const char *rwkvmon_version(void)
{
	return RWKVMON_VERSION;
}

int rwkvmon_abi(void)
{
	return RWKVMON_ABI;
}
