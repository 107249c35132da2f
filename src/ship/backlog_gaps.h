/* backlog_gaps.h - what roll-ups that are lost stood for, as `gap` lines: one for each instance, of its steps. */
#ifndef RWKVMON_SHIP_BACKLOG_GAPS_H
#define RWKVMON_SHIP_BACKLOG_GAPS_H

#include "base/buf.h"

struct backlog_gaps {
	struct buf lines;
	int64_t last_us; /* of a gap: no two have the same time, by which they are told apart */
};

/* Of a batch of roll-ups, text of any bytes, in which those of an instance lie side by side; `steps`: all that it sums
 * up. What no line of it says is told without an instance. */
void backlog_gaps_add(struct backlog_gaps *g, struct slice batch, uint64_t steps, const char *why, int64_t now_us);

void backlog_gaps_keep(struct backlog_gaps *g, struct slice rest); /* of its lines; and the last time */
void backlog_gaps_free(struct backlog_gaps *g);

#endif
