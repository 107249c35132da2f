/* collector.h - the internals of the opaque handle of rwkvmon.h.
 *
 *     begin/end (caller's thread)  ──ring──►  drain (writer thread)  ──►  log, alarms on stderr
 *                                               └► rules             └─►  queues ──► receivers (delivery thread)
 */
#ifndef RWKVMON_COLLECT_COLLECTOR_H
#define RWKVMON_COLLECT_COLLECTOR_H

#include "base/arena.h"
#include "collect/budget.h"
#include "collect/own_fields.h"
#include "collect/pool.h"
#include "collect/publish.h"
#include "collect/resources.h"
#include "export/deliver.h"
#include "log/log.h"
#include "observe/observe.h"
#include "record/ring.h"
#include "record/sink.h"
#include "rules/rules.h"

#include <rwkvmon.h>
#include <stdatomic.h>

enum { SINKS_MAX = 8, NORMS_MAX = 256 };

/* The rules that judge the records; replaced as a whole when they are read again. */
struct rule_program {
	struct ruleset *set;
	struct rules *rules;
};

/* One conversation of a handle; the log calls it a session. A program that opens none uses the handle's own.
 *
 * The caller's side opens and closes it. The writer learns of it from its first record or from the list of closed
 * streams, writes session_end, and returns the memory for the next stream. The memory is freed with the handle. */
struct rwkvmon_stream {
	struct rwkvmon *mon;
	uint64_t open_ns;
	char *texts; /* one block: what follows points into it; NULL: the handle's own */
	const char *id, *request_id, *label, *model_name; /* all but the first may be NULL */
	uint32_t candidates;                              /* conversations that it may go on from */

	/* The caller's side. */
	bool open;
	unsigned turn;             /* of its latest call */
	struct observer *observer; /* NULL before its first call */
	uint64_t records, tokens, overhead_ns;
	struct rwkvmon_stream *before, *after; /* link in the list of open streams, or of those to be reused */
	_Atomic uint64_t dropped;              /* the ring was full */

	/* The writer's side. */
	bool started;                          /* its session_start has been written */
	struct rules *rules;                   /* NULL: no memory so far; the handle's own stream has the program's */
	uint64_t unjudged, unjudged_told;      /* steps that came while there were none; in gap records */
	uint64_t lost;                         /* records that the log dropped */
	uint64_t dropped_told, dropped_marked; /* in gap records; in steps */
	uint64_t steps_numbered, others_numbered; /* lines that have their `record`; see collector_number */
	uint32_t alarms[ALARM_TYPE_COUNT];
	uint32_t firing[ALARM_TYPE_COUNT]; /* rules of that alarm that are violated now */
	_Atomic uint64_t alarms_on;        /* bit per alarm: some rule is violated; read by the caller's thread */
	_Atomic uint64_t judged;           /* steps that the rules have seen, including the dropped ones before them */
	struct rwkvmon_stream *left, *right; /* among those that have started */
	struct rwkvmon_stream *next;         /* link in a list that is passed from one side to the other */
};

/* An entry of the ring: a record of a stream, followed by its data. */
struct carried {
	struct rwkvmon_stream *stream;
	struct record record; /* the last member: its data follow */
};

/* Why a call is in no stream's records. */
enum astray {
	ASTRAY_UNKNOWN, /* its stream was refused or closed */
	ASTRAY_MEMORY,  /* there is none for its stream */
	ASTRAY_BUSY,    /* another call was inside: nobody has looked whose it is; the handle's own totals have it */
	ASTRAY_COUNT
};

struct rwkvmon {
	struct ring ring;
	const struct clock *clock;
	unsigned forks; /* fork count of this process when the handle was made; that of no process once it is closed */
	atomic_bool inside; /* a call of the caller's side is running, or the handle is closed */

	struct rwkvmon_stream self; /* the handle's own */

	/* The caller's side. */
	struct resources *resources;
	uint64_t begin_ns; /* 0: no call is running */
	uint64_t given_ns; /* what was done for streams between calls: looking at the states that they are given */
	uint64_t open_ns;
	_Atomic uint64_t overhead_ns;
	_Atomic uint64_t finished[FINISH_COUNT]; /* requests, by why */
	uint64_t records, tokens;                /* of all streams */
	struct own_fields own;
	struct gpu_sample gpu[GPUS_MAX]; /* of the record that is being made */
	struct budget budget;
	struct verdict_sampling {
		double temperature, top_p, frequency; /* of the configuration, or ChatRWKV's */
	} sampling;
	size_t n_norms; /* layers whose norms go into the log */
	bool log_tokens, log_text, block_when_full;
	_Atomic uint64_t dropped;              /* of all streams, and calls that belong to none */
	_Atomic uint64_t astray[ASTRAY_COUNT]; /* of those, the latter */
	struct copy_room room;                 /* memory for the data with which streams are compared */
	struct rwkvmon_stream refused, *open_streams, *spare;
	uint32_t n_streams, max_streams;
	uint64_t streams_opened, streams_refused;
	_Atomic(struct rwkvmon_stream *) closed, free_again; /* to the writer, and back */
	_Atomic bool dormant;                                /* the writer checks only every 5 s: it has to be woken */
	_Atomic(struct rule_program *) next_rules; /* read again, not yet taken over by the writer; NULL: none */

	/* Written once by open, read by both. */
	struct arena arena;
	struct field_values session,
		session_of_stream; /* the latter belongs to the writer: the stream that it is working on */
	enum lang lang;
	const char *rules_name; /* as given: a shipped set, or a file */

	/* The writer's side. */
	struct pool_job writer;
	struct rule_program *program;
	struct rules_share share;   /* of the streams' looks */
	_Atomic int64_t look_us;    /* what a look costs; 0: it has never cost more than for one stream */
	struct field_values action; /* of the action that is being delivered */
	struct log *log;            /* NULL: none */
	struct publish *publish;    /* NULL: no numbers for Prometheus */
	struct deliver *deliver;    /* NULL: alarms go nowhere else */
	struct sink *sink[SINKS_MAX];
	size_t n_sinks;
	uint64_t astray_told[ASTRAY_COUNT];
	struct rwkvmon_stream *started;
	_Atomic uint64_t alarms[ALARM_TYPE_COUNT]; /* of all streams; read by the caller's thread too */
	uint64_t flushed_ns, active_ns;
	bool in_a_hurry; /* --fsync record: a record waits 10 ms at most */
};

/* How many times this process was forked from one that used the library. The threads of a handle made before a fork
 * exist only in the parent: one load per call detects this, without a system call. */
extern _Atomic unsigned collector_forks;

static inline bool collector_is_ours(const struct rwkvmon *mon)
{
	return mon && mon->forks == atomic_load_explicit(&collector_forks, memory_order_relaxed);
}

/* Only one thread at a time may call a handle. A call that comes while another is inside, from a signal handler, or
 * with a closed handle is rejected, so that nothing is damaged. [hot] Never waits. */
static inline bool collector_enter(const struct rwkvmon *mon)
{
	atomic_bool *inside = mon ? (atomic_bool *)(uintptr_t)&mon->inside : NULL;

	return collector_is_ours(mon) && !atomic_exchange_explicit(inside, true, memory_order_acquire);
}

static inline void collector_leave(const struct rwkvmon *mon)
{
	atomic_store_explicit((atomic_bool *)(uintptr_t)&mon->inside, false, memory_order_release);
}

/* The same for calls that may wait: waits for the call that is inside, but not for ever. */
bool collector_enter_patiently(const struct rwkvmon *mon);

/* Callers may be older or newer than the library: members that they do not have are zero. A size of 0 means that the
 * caller forgot it: the struct has at least the members of its first version. A NULL struct is all zero. */
static inline void collector_copy_struct(void *to, size_t size, const void *from, size_t first_size)
{
	size_t given = 0;

	memset(to, 0, size);
	if (!from)
		return;
	memcpy(&given, from, sizeof given);
	given = given ? given : first_size;
	memcpy(to, from, given < size ? given : size);
}

/* Empties the ring into rules and sinks; flushes sinks every 100 ms. Called when the ring is half full, otherwise for
 * each flush. */
uint64_t collector_drain(void *mon); /* the writer's tick */

/* [hot] Tells the writer that there is work; it runs within 100 ms. */
static inline void collector_wake(struct rwkvmon *mon)
{
	if (!atomic_load_explicit(&mon->dormant, memory_order_relaxed))
		return;
	atomic_store_explicit(&mon->dormant, false, memory_order_relaxed);
	pool_call(&mon->writer);
}

/* [hot, any thread] So many calls are in no stream's records. */
static inline void collector_astray(struct rwkvmon *mon, enum astray why, uint64_t n)
{
	atomic_fetch_add_explicit(&mon->astray[why], n, memory_order_relaxed);
	atomic_fetch_add_explicit(&mon->dropped, n, memory_order_relaxed);
	collector_wake(mon);
}

/* Records of the stream that are not in the log. */
static inline uint64_t collector_missing(const struct rwkvmon_stream *s)
{
	const struct rwkvmon *mon = s->mon;
	uint64_t busy = s == &mon->self ? atomic_load_explicit(&mon->astray[ASTRAY_BUSY], memory_order_relaxed) : 0;

	return atomic_load_explicit(&s->dropped, memory_order_relaxed) + busy + s->lost;
}

/* [writer] Gives a line its number. Steps are counted where they are made, including those for which the ring has no
 * room; all other lines are made by the writer's side. A line's number is the steps counted before it and the other
 * lines before it: numbers grow along the log, no two are the same, and those of dropped steps are missing. A step
 * comes with its own count as `ordinal`. */
void collector_number(struct rwkvmon_stream *s, struct record *r);

/* [writer] Passes one record of the stream, and the alarms that follow from it, to all sinks. */
void collector_deliver(struct rwkvmon_stream *s, const struct record *r);

/* [writer] Writes the stream's session_end. `undelivered` is reported by the handle's own stream only. */
void collector_deliver_end(struct rwkvmon_stream *s, const struct rwkvmon_totals *undelivered);

/* --- streams: stream.c --- */

_Atomic uint64_t *stream_copies(void); /* bytes of copies that all streams of the process hold */

/* [hot] The stream that a step names; NULL: it is none of this handle, or was closed. */
struct rwkvmon_stream *stream_named(const struct rwkvmon *mon, const struct rwkvmon_stream *given);

/* [hot] Its observer, made now if this is its first call; NULL: no memory. */
struct observer *stream_observer(struct rwkvmon_stream *s);

void stream_close_all(struct rwkvmon *mon); /* the caller's side */
void stream_free_all(struct rwkvmon *mon);  /* after the writer has ended */

/* [writer] The session's fields, for the next record of the stream only. */
const struct field_values *stream_session(struct rwkvmon_stream *s);

/* [writer] Before a record of the stream, of that time: writes what must come first (session_start). */
void stream_start(struct rwkvmon_stream *s, int64_t time_us);

/* [writer] The streams closed so far, oldest first. All their records are already in the ring or have left it. */
struct rwkvmon_stream *stream_take_closed(struct rwkvmon *mon);

/* [writer] After the ring was emptied: ends these streams. */
void stream_end_all(struct rwkvmon_stream *closed);

/* [writer] Writes a gap record if records of the stream were dropped since the last one. */
void collector_tell_dropped(struct rwkvmon_stream *s);
/* [writer] … if steps were not judged since the last one. */
void collector_tell_unjudged(struct rwkvmon_stream *s);

/* "rwkv-sess-" and random hex digits. */
enum { SESSION_ID_BYTES = 32 };
void collector_random_id(char id[SESSION_ID_BYTES], uint64_t salt);

/* The session's fields from the caller's configuration; texts are copied into the arena. */
void collector_describe(struct rwkvmon *mon, const struct rwkvmon_config *cfg);

int collector_open_rules(struct rule_program **out, const char *name, struct err *err);
void collector_free_rules(struct rule_program *p); /* NULL is fine */
void program_forget(void);                         /* in a child of fork */

/* Opens the sinks that the configuration names: the log, standard error, receivers of alarms. */
int collector_open_sinks(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err);

/* Waits for the receivers of alarms, reports in *t what they missed, and removes them from the list of sinks. */
void collector_close_receivers(struct rwkvmon *mon, struct rwkvmon_totals *t);

/* `to` is RWKVMON_ERROR_BYTES, or NULL. */
void collector_copy_error(char *to, const struct err *err);

/* The "[ALARM] …" sink. */
struct sink *alarm_text_sink(enum lang lang);

#endif
