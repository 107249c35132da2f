/* events.h - groups violating records into events: runs of one alarm type in one session.
 *
 * A record within the rule's cooldown of the run's last one extends it. If there are more than EVENTS_KEPT events, only
 * FINDINGS_EVENTS_MAX are kept: critical ones and those with many records; all are counted.
 */
#ifndef RWKVMON_ANALYZE_EVENTS_H
#define RWKVMON_ANALYZE_EVENTS_H

#include "analyze/findings.h"
#include "rules/rules.h"

enum { EVENTS_KEPT = 4 * FINDINGS_EVENTS_MAX };

struct event_list_end; /* a session's latest event of a type */

struct event {
	struct anomaly_event is; /* session_id points to `id`, instance to `instance` */
	int64_t cooldown_us;
	struct event_list_end *end; /* NULL once a later event or none follows */
	char *id, *instance;
};

struct event_list_end {
	bool any;
	int64_t from_us, to_us; /* of the latest event */
	struct event *event;    /* NULL when it was thinned out */
};

struct events {
	struct event **event; /* (n) */
	size_t n;
	uint64_t total;
	bool failed;
};

/* Where it happened; instance: NULL not known. */
struct event_place {
	const char *session_id, *instance;
};

/* A record there violates the rule; `again`: it has been added for another rule of that type. */
void events_add(struct events *e, struct event_list_end *end, struct event_place at, int64_t time_us, bool again,
		int64_t cooldown_us, const struct rule_finding *f);

/* The session goes: its events stay. */
void events_detach(struct event_list_end end[ALARM_TYPE_COUNT]);

/* By time, at most FINDINGS_EVENTS_MAX, into the arena. */
struct anomaly_event *events_list(const struct events *e, struct arena *arena, size_t *n);

void events_free(struct events *e);

#endif
