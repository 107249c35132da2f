/* handle.c - the C API: open, begin, end, close. */
#include "collect/collector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How often this process is a child of one that used the library: a handle made before a
 * fork has its threads in the parent only. One load per call tells, and no system call. */
static _Atomic unsigned forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
	atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, count_fork);
}

static bool is_ours(const struct rwkvmon *mon)
{
	return mon && mon->forks == atomic_load_explicit(&forks, memory_order_relaxed);
}

/* Callers may be older or newer than the library: what they do not have is zero. */
static void take_struct(void *to, size_t size, const void *from)
{
	size_t given;

	memcpy(&given, from, sizeof given);
	memset(to, 0, size);
	memcpy(to, from, given < size ? given : size);
}

static void add_sink(struct rwkvmon *mon, struct sink *sink)
{
	mon->sink[mon->n_sinks++] = sink;
}

static int open_parts(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	int rc = ring_open(&mon->ring, cfg->ring_bytes ? cfg->ring_bytes : 1 << 20, err);

	if (!rc)
		rc = ruleset_open(&mon->ruleset, cfg->rules ? cfg->rules : "thresholds", err);
	if (!rc)
		rc = rules_open(&mon->rules, mon->ruleset, RULES_LIVE, err);
	if (rc)
		return rc;
	mon->observer = observer_open();
	mon->resources = resources_open();
	return mon->observer ? 0 : err_set(err, ERR_NOMEM, "no memory for the observer");
}

static int open_log(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err)
{
	const struct log_config log = { .path = cfg->log_path,
					.session_id = fields_text(&mon->session, F_SESSION_ID).p,
					.sync = (enum log_sync)cfg->log_sync,
					.rotate_bytes = cfg->log_rotate_bytes,
					.rotate_seconds = cfg->log_rotate_seconds,
					.keep = cfg->log_keep,
					.clock = mon->clock };
	int rc = cfg->log_path ? log_open(&mon->log, &log, err) : 0;

	if (mon->log)
		add_sink(mon, log_sink(mon->log));
	return rc;
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
	rc = open_log(mon, cfg, err);
	if (rc)
		return rc;
	if (cfg->alarms_to_stderr)
		add_sink(mon, alarm_text_sink());
	deliver_event(mon, EVENT_SESSION_START, NULL);
	rc = worker_start(&mon->writer, "rwkvmon-log", collector_drain, mon, 0);
	return rc ? err_set_os(err, ERR_SYSTEM, rc, "the writer thread cannot be started") : 0;
}

static void free_parts(struct rwkvmon *mon)
{
	resources_close(mon->resources);
	observer_close(mon->observer);
	rules_close(mon->rules);
	ruleset_close(mon->ruleset);
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

int rwkvmon_open(rwkvmon **out, const struct rwkvmon_config *config, char *error)
{
	struct rwkvmon *mon = aligned_alloc(64, (sizeof *mon + 63) / 64 * 64);
	struct rwkvmon_config cfg;
	struct err err = { 0 };
	int rc;

	*out = NULL;
	take_struct(&cfg, sizeof cfg, config);
	if (!mon) {
		rc = err_set(&err, ERR_NOMEM, "no memory for a collector");
		copy_error(error, &err);
		return rc;
	}
	memset(mon, 0, sizeof *mon);
	pthread_once(&forks_once, watch_forks);
	mon->forks = atomic_load_explicit(&forks, memory_order_relaxed);
	mon->clock = &clock_system;
	mon->open_ns = clock_mono_ns(mon->clock);
	mon->lang = lang_of(cfg.lang) == LANG_COUNT ? LANG_EN : lang_of(cfg.lang);
	mon->log_tokens = cfg.log_tokens;
	mon->log_text = cfg.log_text;
	mon->block_when_full = cfg.block_when_full;
	rc = start(mon, &cfg, &err);
	if (rc) {
		copy_error(error, &err);
		free_parts(mon);
		return rc;
	}
	*out = mon;
	return 0;
}

void rwkvmon_begin(rwkvmon *mon)
{
	if (is_ours(mon))
		mon->begin_ns = clock_mono_ns(mon->clock);
}

/* rwkvmon.h's enums are the same numbers by construction. */
_Static_assert((int)RWKVMON_F32 == (int)DTYPE_F32 && (int)RWKVMON_BF16 == (int)DTYPE_BF16, "dtypes");
_Static_assert((int)RWKVMON_SHIFT == (int)PART_SHIFT && (int)RWKVMON_WKV == (int)PART_WKV, "parts");
_Static_assert((int)RWKVMON_PREFILL == (int)PHASE_PREFILL && (int)RWKVMON_DECODE == (int)PHASE_DECODE, "phases");
_Static_assert((int)RWKVMON_SYNC_NEVER == (int)LOG_SYNC_NEVER && (int)RWKVMON_SYNC_RECORD == (int)LOG_SYNC_RECORD, "syncs");
_Static_assert(sizeof(struct rwkvmon_tensor) == sizeof(struct observed_tensor) &&
		       offsetof(struct rwkvmon_tensor, part) == offsetof(struct observed_tensor, part),
	       "a tensor list can be handed on as it is");

static void add_sums(const struct rwkvmon_step *step, struct state_sums sums[PART_COUNT])
{
	for (size_t i = 0; i < step->n_sums; i++) {
		const struct rwkvmon_state_sums *from = &step->sums[i];
		struct state_sums *to = &sums[from->part];

		to->dot += from->dot;
		to->old2 += from->old_norm2;
		to->new2 += from->new_norm2;
		to->change2 += from->change_norm2;
		to->nonfinite += from->nonfinite;
	}
}

static void observe(struct rwkvmon *mon, const struct rwkvmon_step *step, uint64_t end_ns, struct record *r)
{
	struct state_sums sums[PART_COUNT] = { 0 };
	struct observed_call call = {
		.begin_ns = mon->begin_ns ? mon->begin_ns : end_ns,
		.end_ns = end_ns,
		.tokens = step->tokens,
		.n_tokens = step->n_tokens,
		.phase = (enum phase)step->phase,
		.ends_prefill = step->ends_prefill,
		.logits = step->logits,
		.n_logits = step->n_logits,
		.logits_dtype = (enum dtype)step->logits_dtype,
		.state = (const struct observed_tensor *)(const void *)step->state,
		.n_state = step->n_state,
		.sums = step->n_sums ? sums : NULL,
		.state_bytes = step->state_bytes,
	};

	add_sums(step, sums);
	observer_call(mon->observer, &call, r);
	resources_fill(mon->resources, r);
	for (size_t i = 0; i < step->n_numbers; i++)
		if (step->numbers[i].metric >= 0 && step->numbers[i].metric < METRIC_COUNT && isfinite(step->numbers[i].value))
			record_set(r, (enum metric_id)step->numbers[i].metric, step->numbers[i].value);
}

static void *reserve(struct rwkvmon *mon, size_t n)
{
	const struct timespec moment = { .tv_nsec = 50000 };
	void *entry;

	while (!(entry = ring_reserve(&mon->ring, n)) && mon->block_when_full && n <= mon->ring.cap / 4)
		nanosleep(&moment, NULL);
	return entry;
}

/* Hands the record over: drain.c's unpack() is the twin of this layout. */
static void publish(struct rwkvmon *mon, const struct rwkvmon_step *step, struct record *r)
{
	size_t tokens = mon->log_tokens ? step->n_tokens * sizeof *step->tokens : 0;
	size_t text = mon->log_text && step->text ? step->text_bytes : 0;
	char *entry = reserve(mon, sizeof *r + tokens + text);

	if (!entry) {
		atomic_fetch_add_explicit(&mon->dropped, 1, memory_order_relaxed);
		return;
	}
	r->tokens = tokens ? step->tokens : NULL;
	r->n_tokens = tokens ? step->n_tokens : 0;
	r->text = (struct slice){ text ? step->text : NULL, text };
	memcpy(entry, r, sizeof *r);
	memcpy(entry + sizeof *r, step->tokens, tokens);
	if (text)
		memcpy(entry + sizeof *r + tokens, step->text, text);
	ring_commit(&mon->ring);
}

void rwkvmon_end(rwkvmon *mon, const struct rwkvmon_step *given)
{
	struct rwkvmon_step step;
	struct record r;
	uint64_t end_ns;

	if (!is_ours(mon))
		return;
	end_ns = clock_mono_ns(mon->clock);
	take_struct(&step, sizeof step, given);
	if (!step.tokens || !step.n_tokens)
		return;
	r.time_us = clock_wall_us(mon->clock);
	r.event = EVENT_INFERENCE_STEP;
	r.session = NULL;
	r.extra = NULL;
	r.details = NULL;
	observe(mon, &step, end_ns, &r);
	publish(mon, &step, &r);
	mon->records++;
	mon->tokens += step.n_tokens;
	mon->begin_ns = 0;
	mon->overhead_ns += clock_mono_ns(mon->clock) - end_ns;
}

void rwkvmon_new_sequence(rwkvmon *mon)
{
	if (is_ours(mon))
		observer_new_sequence(mon->observer);
}

int rwkvmon_metric(const char *id)
{
	enum metric_id m = metric_by_id(slice_of(id));

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
static void deliver_end(struct rwkvmon *mon, double seconds)
{
	struct field_values totals = { 0 };

	fields_set_number(&totals, F_TOTAL_RECORDS, (double)mon->records);
	fields_set_number(&totals, F_TOTAL_TOKENS, (double)mon->tokens);
	fields_set_number(&totals, F_TOTAL_DROPPED, (double)(mon->dropped + (mon->log ? log_dropped(mon->log) : 0)));
	fields_set_number(&totals, F_TOTAL_SECONDS, seconds);
	fields_set_number(&totals, F_TOTAL_OVERHEAD, (double)mon->overhead_ns / 1e9);
	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		if (mon->alarms[i])
			fields_set_number(&totals, (enum field_id)(F_TOTAL_OVERHEAD + 1 + i), (double)mon->alarms[i]);
	deliver_event(mon, EVENT_SESSION_END, &totals);
}

int rwkvmon_close(rwkvmon *mon, struct rwkvmon_totals *totals)
{
	struct rwkvmon_totals t = { 0 };
	struct err err = { 0 };
	uint64_t lost = 0;
	int rc;

	if (!is_ours(mon)) { /* after a fork: the parent closes it; what the writer held cannot be freed safely */
		if (totals)
			*totals = t;
		return 0;
	}
	worker_stop(&mon->writer);
	collector_drain(mon);
	t.seconds = (double)(clock_mono_ns(mon->clock) - mon->open_ns) / 1e9;
	t.overhead_seconds = (double)mon->overhead_ns / 1e9;
	t.records = mon->records;
	t.tokens = mon->tokens;
	t.alarms = alarm_count(mon);
	deliver_end(mon, t.seconds);
	if (mon->log)
		snprintf(t.log_path, sizeof t.log_path, "%s", log_path(mon->log));
	rc = log_close(mon->log, &lost, &err);
	mon->log = NULL;
	t.dropped = mon->dropped + lost;
	if (rc)
		copy_error(t.trouble, &err);
	free_parts(mon);
	if (totals)
		*totals = t;
	return rc;
}

const char *rwkvmon_version(void)
{
	return RWKVMON_VERSION;
}
