/* replay.h - applies rules to logs as if they had judged live: which alarms would have fired, when, and when they would
 * have resolved. */
#ifndef RWKVMON_CLI_REPLAY_H
#define RWKVMON_CLI_REPLAY_H

#include "base/buf.h"
#include "record/lineage.h"
#include "rules/rules.h"
#include "spec/options.h"

enum { REPLAY_ALARMS_MAX = 10000, REPLAY_SESSIONS_MAX = 1024 };

struct replay_alarm {
	struct rule_finding is; /* as it fired; a collapse's tokens as they were at its end */
	char *session;          /* owned */
	uint64_t seat;          /* of that session: ids of two instances may be equal */
	int64_t from_us, to_us; /* to_us: INT64_MAX while it is on at the log's end */
};

struct replay_seat; /* a session with its rules' state */

struct replay {
	struct replay_alarm *alarm; /* (n), at most REPLAY_ALARMS_MAX */
	size_t n, cap;
	uint64_t total, by_type[ALARM_TYPE_COUNT]; /* of all */
	uint64_t records, sessions;
	uint64_t evicted; /* sessions whose state had to go because more than REPLAY_SESSIONS_MAX ran side by side */
	struct replay_seat *seat; /* (n_seats) */
	struct learned *learned;  /* by all sessions */
	struct lineage *lineage;
	size_t n_seats;
	struct rules_learning learning;
	uint64_t have;   /* metrics that some record has, as in struct record */
	uint64_t suited; /* rules of the set that are for the vocabulary of some session, a bit each */
	bool failed;     /* memory ran out */
};

/* Reads the logs; replay_free also after an error. The set is borrowed and must outlive it. */
int replay_run(struct replay *r, const struct ruleset *set, const struct options *opts, const char *const *logs,
	       size_t n, struct err *err);
void replay_free(struct replay *r);

void replay_text(struct buf *out, const struct replay *r, const struct ruleset *set, enum lang lang);
void replay_json(struct buf *out, const struct replay *r, const struct ruleset *set, enum lang lang);

#endif
