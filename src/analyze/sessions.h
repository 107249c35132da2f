/* sessions.h - finds the session of a record, and keeps what is known about it.
 *
 * A session is an id and an instance: equal ids of two instances are two sessions. Lines without an instance belong to
 * the first session of that id; one that no line has named yet takes the first instance that a line with its id names.
 *
 * Of those for which the list has no room, each instance has a rest that stands for them all, of equal model and
 * strategy: it is listed behind the sessions, and has what their steps add up to.
 *
 * A session is a guest until its first step lists it, if there is room. Listed sessions
 * stay; guests go when ACTIVE_MAX others have been seen since. The state of a session's rules is dropped in the same
 * order, and starts again when the session comes back.
 *
 * Ownership  the table owns sessions; pointers to listed ones stay valid, pointers to
 *            guests until the next sessions_find.
 */
#ifndef RWKVMON_ANALYZE_SESSIONS_H
#define RWKVMON_ANALYZE_SESSIONS_H

#include "analyze/batch.h"
#include "analyze/events.h"
#include "analyze/first_bad.h"
#include "analyze/jitter.h"
#include "analyze/missing.h"
#include "analyze/time_breakdown.h"
#include "record/record.h"
#include "rules/rules.h"

enum { SESSIONS_ACTIVE_MAX = PART_SESSIONS, SESSION_TEXT_MAX = 512, SESSIONS_RESTS_MAX = 10000 };

/* What was found at its steps, and what the collector itself said. */
struct session_tally {
	uint64_t violating, violated[ALARM_TYPE_COUNT]; /* steps: of any type, of each */
	uint64_t lasted[ALARM_TYPE_COUNT];              /* of these, for longer than the rule's `for` */
	uint64_t alarmed[ALARM_TYPE_COUNT], collapsed[COLLAPSE_KIND_COUNT], dropped;
	uint64_t critical, live_critical; /* steps that violate a critical rule; critical alarms of the log */
	uint64_t critical_lasted;
	double drop;                          /* 1 - the lowest similarity of sudden drops; 0: none */
	int64_t alarmed_us[ALARM_TYPE_COUNT]; /* the first of each; 0: no time is known */
	int64_t violated_us[ALARM_TYPE_COUNT], lasted_us[ALARM_TYPE_COUNT];
	struct undelivered undelivered;    /* why: the analysis's; NULL unknown */
	uint8_t gravest[ALARM_TYPE_COUNT]; /* 1 + the severity of the gravest alarm of each; 0: there was none */
};

/* Alarms of rules, warnings at least, that were on after a session's last step. */
struct session_firing {
	uint64_t types; /* a bit each */
	int64_t since_us[ALARM_TYPE_COUNT];
};

void session_tally_add(struct session_tally *into, const struct session_tally *from);

/* `gravest` as in the tally. */
static inline void session_alarmed(struct session_tally *t, enum alarm_type type, unsigned gravest)
{
	t->gravest[type] = (uint8_t)(gravest > t->gravest[type] ? gravest : t->gravest[type]);
}

struct session;

struct session_firing session_firing(const struct session *s);

struct session {
	struct session *chain;         /* next of the same hash slot */
	struct session *first_chain;   /* next of the same slot of the first ones, or of the rests */
	struct session *newer, *older; /* among the active ones */
	bool active, listed, rest;
	struct session *of;     /* the rest that a session that is not listed counts in; NULL: there was no room */
	uint64_t sessions;      /* of a rest: so many */
	uint64_t missed, twice; /* of a rest: records missing and doubled of those that are gone */
	bool counted;           /* among the others, for want of room in the list */
	bool ended;             /* its session_end was its last line */
	bool first;             /* of its id */
	bool named;             /* by its instance, which it is found by */

	uint64_t hash, id_hash;                               /* of id and instance; of the id alone */
	char *id, *model_name, *strategy, *instance, *device; /* NULL: unknown; at most SESSION_TEXT_MAX bytes */
	size_t id_bytes;
	uint64_t records, tokens;
	uint32_t first_sequence, last_sequence;
	int64_t from_us, to_us;
	struct jitter_track jitter;
	struct missing_track missing;
	struct first_bad first_bad; /* of what rules and live alarms say */
	struct session_tally tally;
	size_t index; /* in the list, when listed */
	bool has_series;
	bool series_lost; /* it had one, but it was too small to be kept */
	uint64_t part;    /* serial number of the latest part of a batch that it has steps in, */
	int run;          /* and its first run of that */
	struct rules *rules;
	struct session_firing left; /* by the rules, when they were dropped */
	struct time_progress times;
	struct instance_minutes *minutes; /* its own past, if it is of roll-ups: analyze/minutes.h */
	uint32_t limits_version;          /* of those limits of the rules that are noted; 0: none */
	struct event_list_end open[ALARM_TYPE_COUNT];
};

/* Whose its steps are. */
static inline struct time_owner session_owner(const struct session *s)
{
	return (struct time_owner){ s->id, s->model_name, s->strategy, s->instance };
}

enum { REST_SLOTS = 1024 };

struct sessions {
	struct session **slot, **first; /* (n_slots), a power of two: of all; of the first one of each id */
	size_t n_slots, n;
	struct session **listed;              /* (n_listed), in order of their first step */
	size_t n_listed, listed_cap, n_rests; /* the rests are the last of them */
	struct session *rest[REST_SLOTS];     /* chains, by instance, model and strategy */
	uint64_t n_homeless;                  /* sessions without a rest: they are in the sums alone */
	size_t most;                          /* that are listed; 0: FINDINGS_SESSIONS_MAX */
	size_t most_rests;                    /* 0: SESSIONS_RESTS_MAX */
	struct session *newest, *oldest;
	size_t n_active;
	struct session *latest; /* found last: most records follow one of their own */
	uint64_t *other;        /* hashes of sessions with steps that could not be listed */
	size_t n_other, other_cap;
	bool failed;
};

/* What is kept of an id. */
static inline struct slice session_cut(struct slice id)
{
	return (struct slice){ id.n ? id.p : "", id.n < SESSION_TEXT_MAX ? id.n : SESSION_TEXT_MAX };
}

uint64_t session_hash(struct slice text);

/* Of a session; without an instance that of its id. */
uint64_t session_key(struct slice id, struct slice instance);

/* A copy of at most SESSION_TEXT_MAX bytes, NUL-terminated; NULL when memory is out. */
char *session_text(struct slice text);

/* The session of that id and instance (empty: a line names none), made when it is new; NULL when memory is out. It is
 * then the one seen last. */
struct session *sessions_find(struct sessions *t, struct slice id, struct slice instance);

/* It is the one seen last. */
void sessions_touch(struct sessions *t, struct session *s);

/* It has ended: its rules' state, tens of kilobytes, is not needed any more. If it goes on, they begin anew. */
void session_forget_rules(struct session *s);

/* Marks a session as one with steps: lists it, or counts it among the others. */
void sessions_list(struct sessions *t, struct session *s);

/* Sessions in the list, without the rests. */
static inline size_t sessions_listed(const struct sessions *t)
{
	return t->n_listed - t->n_rests;
}

/* What has the numbers of its steps: it, or its rest; NULL: neither. */
static inline struct session *session_home(struct session *s)
{
	return s->listed ? s : s->of;
}

/* The session has steps, and is not listed, but there is a rest that it counts in. */
static inline bool session_in_rest(const struct session *s)
{
	return !s->listed && s->of;
}

void sessions_free(struct sessions *t);

#endif
