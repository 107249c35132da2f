/* live.h - what `serve` knows while logs grow: every instance's last ten minutes, its findings, its alarms.
 *
 * Ownership  live_open creates, live_close destroys; records are read during the call.
 * Threads    any; one lock. Followers bring records, routes ask.
 * Bounds     1,024 instances that are up, and 32 that ended or fell silent; a new one takes the place of the one that
 *            is silent longest, unless all are up and were heard within 30 s: then its records are counted and
 *            exported as "other". 512 records and 256 alarms are kept; 2,048 sessions are distinguished. The overview
 *            of all instances holds the latest 2,048 to 4,096 sessions.
 */
#ifndef RWKVMON_CLI_LIVE_H
#define RWKVMON_CLI_LIVE_H

#include "analyze/analyze.h"
#include "export/snapshot.h"
#include "rules/rules.h"

struct live;

int live_open(struct live **out, const struct ruleset *rules, const struct diagnose_options *told, enum lang lang,
	      struct err *err);
void live_close(struct live *l);

/* Rows of a log and the lines they were made of; some lines may have become none. `source` names the instance of
 * records whose session did not say; what rows say of their session is changed to the instance that they count for. */
void live_take(struct live *l, struct columns *rows, struct slice lines, const char *source);

/* True: texts and token ids of conversations are not handed on. Before the first record. */
void live_conceal(struct live *l, bool conceal);

/* /metrics, with the verdict of what was taken so far. */
void live_metrics(struct live *l, enum exposition format, struct buf *out);

/* Server-sent events since *cursor, which moves on: `hello` (texts), `instance` (everything needed to draw one
 * instance) and `tick` (its newest buckets and facts), for the instance named by `about`, or for all instances if they
 * are few; if they are many, `many`, and the page shows the overview. */
void live_events(void *l, const char *about, uint64_t *cursor, struct buf *out);

/* JSON as `rwkvmon fleet --json`: all instances, the worst first, at most a few seconds old. */
void live_fleet(struct live *l, struct buf *out);

/* One second is over. */
void live_tick(struct live *l);

/* A page of sessions; a negative `from` counts back from the newest. */
struct live_page {
	long from;
	unsigned long most;
};

/* JSON; `instance` empty: all together. False: there is no such instance. */
/* In addition to before, of files: what the findings say of their input. */
void live_read(struct live *l, const struct input_stats *piece);

bool live_findings(struct live *l, struct slice instance, struct live_page page, struct buf *out);
void live_instances(struct live *l, struct buf *out);
void live_alarms(struct live *l, struct buf *out);
bool live_records(struct live *l, struct slice instance, size_t n, struct buf *out);

#endif
