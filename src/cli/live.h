/* live.h - what `serve` knows while logs grow: every instance's last ten minutes, its findings, its alarms.
 *
 * Ownership  live_open creates, live_close destroys; records are read during the call.
 * Threads    any; one lock. Followers bring records, routes ask.
 * Bounds     32 instances, then the others are only counted (and exported); 512 records and
 *            256 alarms are kept; 4,096 sessions are told apart.
 */
#ifndef RWKVMON_CLI_LIVE_H
#define RWKVMON_CLI_LIVE_H

#include "analyze/analyze.h"
#include "export/snapshot.h"
#include "rules/rules.h"

struct live;

int live_open(struct live **out, const struct ruleset *rules, enum lang lang, struct err *err);
void live_close(struct live *l);

/* `source` names the instance of records whose session did not say. */
void live_take(struct live *l, const struct record *r, const char *source);

struct exporter *live_exporter(struct live *l);

/* Server-sent events since *cursor, which moves on: `hello` (words), `instance` (all there is to draw of one), `tick`
 * (its newest buckets and facts). */
void live_events(void *l, uint64_t *cursor, struct buf *out);

/* One second is over. */
void live_tick(struct live *l);

/* JSON; `instance` empty: all together. False: there is no such instance. */
bool live_findings(struct live *l, struct slice instance, struct buf *out);
void live_instances(struct live *l, struct buf *out);
void live_alarms(struct live *l, struct buf *out);
void live_records(struct live *l, struct slice instance, size_t n, struct buf *out);

#endif
