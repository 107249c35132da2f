/* handle.c - the C API: open, begin, end, close. */
#include "collect/collector.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_once_t forks_once = PTHREAD_ONCE_INIT;
_Atomic unsigned collector_forks;

static void count_fork(void)
{
	atomic_fetch_add_explicit(&collector_forks, 1, memory_order_relaxed);
	publish_forget();
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, count_fork);
}

static int open_parts(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	int rc = ring_open(&mon->ring, cfg->ring_bytes ? cfg->ring_bytes : 1 << 20, err);

	mon->rules_name = arena_copy(&mon->arena, slice_of(cfg->rules ? cfg->rules : "thresholds"));
	if (!rc && !mon->rules_name)
		rc = err_set(err, ERR_NOMEM, "no memory for the rules' name");
	if (!rc)
		rc = collector_open_rules(&mon->program, mon->rules_name, err);
	if (rc)
		return rc;
	mon->observer = observer_open();
	mon->resources = resources_open();
	return mon->observer ? 0 : err_set(err, ERR_NOMEM, "no memory for the observer");
}

static void deliver_event(struct rwkvmon *mon, enum event_type event, const struct field_values *extra)
{
	struct record r = { .time_us = clock_wall_us(mon->clock), .event = event, .session = &mon->session, .extra = extra };

	collector_deliver(mon, &r);
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
	deliver_event(mon, EVENT_SESSION_START, NULL);
	rc = worker_start(&mon->writer, "rwkvmon-log", collector_drain, mon, 0);
	return rc ? err_set_os(err, ERR_SYSTEM, rc, "the writer thread cannot be started") : 0;
}

static void free_parts(struct rwkvmon *mon)
{
	resources_close(mon->resources);
	observer_close(mon->observer);
	collector_free_rules(mon->program);
	collector_free_rules(mon->next_rules);
	deliver_close(mon->deliver, 0, NULL, 0);
	publish_close(mon->publish, NULL);
	log_close(mon->log, NULL, NULL);
	ring_close(&mon->ring);
	arena_free(&mon->arena);
	free(mon);
}

static void copy_error(char *to, const struct err *err)
{
	if (to)
		snprintf(to, RWKVMON_ERROR_BYTES, "%s%s%s", err->text, err->hint[0] ? "\n" : "", err->hint);
}

/* A size that was forgotten would make every member its default: no log, silently. */
static int check_config(const struct rwkvmon_config *config, struct err *err)
{
	if (config && config->struct_size)
		return 0;
	err_set(err, ERR_USAGE, config ? "the configuration's struct_size is 0" : "there is no configuration");
	return err_hint(err, "struct rwkvmon_config cfg = { .struct_size = sizeof cfg, ... };");
}

int rwkvmon_open(rwkvmon **out, const struct rwkvmon_config *config, char *error)
{
	struct rwkvmon *mon = aligned_alloc(64, (sizeof *mon + 63) / 64 * 64);
	struct rwkvmon_config cfg;
	struct err err = { 0 };
	int rc;

	*out = NULL;
	rc = check_config(config, &err);
	if (!rc && !mon)
		rc = err_set(&err, ERR_NOMEM, "no memory for a collector");
	if (rc) {
		copy_error(error, &err);
		free(mon);
		return rc;
	}
	collector_take_struct(&cfg, sizeof cfg, config, 0);
	memset(mon, 0, sizeof *mon);
	pthread_once(&forks_once, watch_forks);
	mon->forks = atomic_load_explicit(&collector_forks, memory_order_relaxed);
	mon->clock = &clock_system;
	mon->open_ns = clock_mono_ns(mon->clock);
	mon->lang = lang_of(cfg.lang) == LANG_COUNT ? LANG_EN : lang_of(cfg.lang);
	mon->log_tokens = cfg.log_tokens;
	mon->log_text = cfg.log_text;
	mon->block_when_full = cfg.block_when_full;
	mon->in_a_hurry = cfg.log_sync == RWKVMON_SYNC_RECORD;
	mon->n_norms = cfg.log_state_norms && cfg.n_layer <= NORMS_MAX ? cfg.n_layer : 0;
	mon->budget = budget_of(cfg.overhead_budget_pct);
	rc = start(mon, &cfg, &err);
	if (rc) {
		copy_error(error, &err);
		free_parts(mon);
		return rc;
	}
	*out = mon;
	return 0;
}

static int set_own(rwkvmon *mon, const char *path, const struct buf *value, char *error)
{
	struct err err = { 0 };
	int rc = value->failed ? err_set(&err, ERR_NOMEM, "no memory for a field") :
				 own_fields_set(&mon->own, path, buf_slice(value), &err);

	if (rc)
		copy_error(error, &err);
	return rc;
}

int rwkvmon_set_number(rwkvmon *mon, const char *path, double value, char *error)
{
	struct buf json = { 0 };
	int rc = 0;

	if (collector_is_ours(mon) && isfinite(value)) {
		buf_json_double(&json, value);
		rc = set_own(mon, path, &json, error);
	} else if (collector_is_ours(mon)) {
		own_fields_remove(&mon->own, path); /* unknown is absent */
	}
	buf_free(&json);
	return rc;
}

int rwkvmon_set_text(rwkvmon *mon, const char *path, const char *text, char *error)
{
	struct buf json = { 0 };
	int rc = 0;

	if (collector_is_ours(mon) && text) {
		buf_json_string(&json, slice_of(text));
		rc = set_own(mon, path, &json, error);
	} else if (collector_is_ours(mon)) {
		own_fields_remove(&mon->own, path);
	}
	buf_free(&json);
	return rc;
}

int rwkvmon_reload_rules(rwkvmon *mon, char *error)
{
	struct rule_program *next;
	struct err err = { 0 };
	int rc;

	if (!collector_is_ours(mon))
		return 0;
	rc = collector_open_rules(&next, mon->rules_name, &err);
	if (rc) {
		copy_error(error, &err);
		return rc;
	}
	collector_free_rules(atomic_exchange_explicit(&mon->next_rules, next, memory_order_acq_rel));
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

/* One field per alarm type follows F_TOTAL_OVERHEAD, in the order of alarms.def. */
static void deliver_end(struct rwkvmon *mon, const struct rwkvmon_totals *t)
{
	struct field_values totals = { 0 };

	fields_set_number(&totals, F_TOTAL_RECORDS, (double)mon->records);
	fields_set_number(&totals, F_TOTAL_TOKENS, (double)mon->tokens);
	fields_set_number(&totals, F_TOTAL_DROPPED, (double)(mon->dropped + (mon->log ? log_dropped(mon->log) : 0)));
	fields_set_number(&totals, F_TOTAL_SECONDS, t->seconds);
	fields_set_number(&totals, F_TOTAL_OVERHEAD, (double)mon->overhead_ns / 1e9);
	if (t->undelivered) {
		fields_set_number(&totals, F_TOTAL_UNDELIVERED, (double)t->undelivered);
		fields_set_text(&totals, F_TOTAL_UNDELIVERED_WHY, slice_of(t->undelivered_why));
	}
	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		if (mon->alarms[i])
			fields_set_number(&totals, (enum field_id)(F_TOTAL_OVERHEAD + 1 + i), (double)mon->alarms[i]);
	deliver_event(mon, EVENT_SESSION_END, &totals);
}

/* As much as the caller's struct holds; a size of 0 is the first version's. */
static void give_totals(struct rwkvmon_totals *to, struct rwkvmon_totals *t)
{
	size_t size = to ? to->struct_size : 0, first = offsetof(struct rwkvmon_totals, trouble) + sizeof t->trouble;

	size = size ? size : first;
	if (!to)
		return;
	t->struct_size = to->struct_size;
	memcpy(to, t, size < sizeof *t ? size : sizeof *t);
}

/* The last writes come from the caller's thread: a pipe nobody reads or a limit on file
 * sizes must not kill it by a signal that it never asked for. */
static void guard_signals(sigset_t *before)
{
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGPIPE);
	sigaddset(&ours, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &ours, before);
}

/* Takes what our writes raised, unless the caller had it blocked and may want it. */
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

static void count_so_far(const struct rwkvmon *mon, struct rwkvmon_totals *t)
{
	t->seconds = (double)(clock_mono_ns(mon->clock) - mon->open_ns) / 1e9;
	t->overhead_seconds = (double)mon->overhead_ns / 1e9;
	t->records = mon->records;
	t->tokens = mon->tokens;
	t->alarms = alarm_count(mon);
	t->dropped = mon->dropped + (mon->log ? log_dropped(mon->log) : 0);
	if (mon->log)
		snprintf(t->log_path, sizeof t->log_path, "%s", log_path(mon->log));
}

void rwkvmon_so_far(const rwkvmon *mon, struct rwkvmon_totals *totals)
{
	struct rwkvmon_totals t = { 0 };
	struct err err = { 0 };

	if (collector_is_ours(mon)) {
		count_so_far(mon, &t);
		if (mon->log && log_trouble(mon->log, &err))
			copy_error(t.trouble, &err);
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

	if (!collector_is_ours(mon)) { /* after a fork: the parent closes it; what the writer held cannot be freed safely */
		give_totals(totals, &t);
		return 0;
	}
	worker_stop(&mon->writer);
	guard_signals(&before);
	collector_drain(mon);
	count_so_far(mon, &t);
	collector_close_receivers(mon, &t);
	deliver_end(mon, &t);
	rc = log_close(mon->log, &lost, &err);
	mon->log = NULL;
	t.dropped = mon->dropped + lost;
	published = publish_close(mon->publish, rc ? NULL : &err);
	mon->publish = NULL;
	rc = rc ? rc : published;
	if (rc)
		copy_error(t.trouble, &err);
	free_parts(mon);
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
