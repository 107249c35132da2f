/* shipper.h - turns rows of logs into what is shipped: events (alarms, sessions, gaps, actions) and roll-ups.
 *
 *     rows ──► rollups ──every minute──► spool ──► sender ──► engine
 *       └───► events ──every second──────┘
 *
 * Steps are never shipped. Events lose texts, token ids, names that callers gave, and all that format 1 does not know,
 * unless texts are asked for: then they are shipped as the log has them.
 *
 * Ownership  shipper_open creates, shipper_close destroys; the spool is borrowed.
 * Threads    any; the functions take turns.
 */
#ifndef RWKVMON_SHIP_SHIPPER_H
#define RWKVMON_SHIP_SHIPPER_H

#include "base/clock.h"
#include "record/columns.h"
#include "ship/backlog.h"

struct shipper;

struct shipper_config {
	struct backlog *spool;
	const struct clock *clock;
	bool with_text;
};

int shipper_open(struct shipper **out, const struct shipper_config *cfg, struct err *err);
void shipper_close(struct shipper *s);

/* Rows and their lines; `source` stands for the instance of those that name none. */
void shipper_take(struct shipper *s, const struct columns *rows, struct slice lines, const char *source);

/* All rows up to these places were taken: puts into the spool what is due. `end`: all of it. Returns 1 when the spool
 * got something, 0, or a negative code: *err says what the spool lacks, and it is tried again. */
int shipper_turn(struct shipper *s, struct slice places, bool end, struct err *err);

#endif
