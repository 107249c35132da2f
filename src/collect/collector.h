/* collector.h - what is behind the opaque handle of rwkvmon.h.
 *
 *     begin/end (caller's thread)  ──ring──►  drain (writer thread)  ──►  log, alarms on stderr
 *                                               └► rules             └─►  queues ──► receivers (delivery thread)
 */
#ifndef RWKVMON_COLLECT_COLLECTOR_H
#define RWKVMON_COLLECT_COLLECTOR_H

#include "base/arena.h"
#include "collect/budget.h"
#include "collect/own_fields.h"
#include "collect/publish.h"
#include "collect/resources.h"
#include "collect/worker.h"
#include "export/deliver.h"
#include "log/log.h"
#include "observe/observe.h"
#include "record/ring.h"
#include "record/sink.h"
#include "rules/rules.h"

#include <rwkvmon.h>
#include <stdatomic.h>

enum { SINKS_MAX = 8, NORMS_MAX = 256 };

/* What judges the records: changed as a whole when the rules are read anew. */
struct rule_program {
	struct ruleset *set;
	struct rules *rules;
};

struct rwkvmon {
	struct ring ring;
	const struct clock *clock;
	unsigned forks; /* of this process when the handle was made */

	/* The caller's side. */
	struct observer *observer;
	struct resources *resources;
	uint64_t begin_ns; /* 0: no call is running */
	uint64_t open_ns;
	_Atomic uint64_t overhead_ns;
	_Atomic uint64_t finished[FINISH_COUNT]; /* requests, by why */
	uint64_t records, tokens;
	struct own_fields own;
	struct budget budget;
	size_t n_norms; /* layers whose norms go into the log */
	bool log_tokens, log_text, block_when_full;
	_Atomic uint64_t dropped; /* the ring was full */
	_Atomic(struct rule_program *) next_rules; /* read anew, not yet taken over by the writer; NULL: none */

	/* Written once by open, read by both. */
	struct arena arena;
	struct field_values session;
	enum lang lang;
	const char *rules_name; /* as given: a shipped set, or a file */

	/* The writer's side. */
	struct worker writer;
	struct rule_program *program;
	struct log *log; /* NULL: none */
	struct publish *publish; /* NULL: no numbers for Prometheus */
	struct deliver *deliver; /* NULL: alarms go nowhere else */
	struct sink *sink[SINKS_MAX];
	size_t n_sinks;
	uint64_t dropped_told, dropped_marked; /* in gap records; in steps */
	_Atomic uint64_t alarms[ALARM_TYPE_COUNT]; /* read by the caller's thread too */
	uint64_t flushed_ns;
	bool in_a_hurry; /* --fsync record: a record waits 10 ms at most */
};

/* How often this process is a child of one that used the library. A handle made before a
 * fork has its threads in the parent only: one load per call tells, and no system call. */
extern _Atomic unsigned collector_forks;

static inline bool collector_is_ours(const struct rwkvmon *mon)
{
	return mon && mon->forks == atomic_load_explicit(&collector_forks, memory_order_relaxed);
}

/* Callers may be older or newer than the library: what they do not have is zero. A size of 0 was
 * forgotten: the struct has at least what its first version had. A NULL struct is all zero. */
static inline void collector_take_struct(void *to, size_t size, const void *from, size_t first_size)
{
	size_t given = 0;

	memset(to, 0, size);
	if (!from)
		return;
	memcpy(&given, from, sizeof given);
	given = given ? given : first_size;
	memcpy(to, from, given < size ? given : size);
}

/* Empties the ring into rules and sinks; flushes sinks every 100 ms. Called when the ring is half full, else for each flush. */
uint64_t collector_drain(void *mon); /* a worker's tick */

/* One record to all sinks, and the alarms that follow from it. */
void collector_deliver(struct rwkvmon *mon, const struct record *r);

/* The session's fields from the caller's configuration; texts are copied into the arena. */
void collector_describe(struct rwkvmon *mon, const struct rwkvmon_config *cfg);

int collector_open_rules(struct rule_program **out, const char *name, struct err *err);
void collector_free_rules(struct rule_program *p); /* NULL is fine */

/* Opens the sinks that the configuration names: the log, standard error, receivers of alarms. */
int collector_open_sinks(struct rwkvmon *mon, const struct rwkvmon_config *cfg, struct err *err);

/* Waits for receivers of alarms, says in *t what they missed, and takes them off the list of sinks. */
void collector_close_receivers(struct rwkvmon *mon, struct rwkvmon_totals *t);

/* The "[ALARM] …" sink. */
struct sink *alarm_text_sink(enum lang lang);

#endif
