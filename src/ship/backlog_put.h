/* backlog_put.h - lines that were put and wait in memory until a batch of them can be written.
 *
 * Ownership  zeroed: nothing waits; puts_free releases.
 */
#ifndef RWKVMON_SHIP_BACKLOG_PUT_H
#define RWKVMON_SHIP_BACKLOG_PUT_H

#include "base/buf.h"

/* Of a batch. */
struct put {
	struct buf text;
	uint64_t lines, steps;
};

struct puts {
	struct put *put; /* (n), the oldest first; lines are added to the last */
	size_t n, cap;
	uint64_t bytes; /* of all */
};

/* Adds whole lines to the last batch, or to a new one where it would have more than most_bytes. False: no memory, and
 * nothing was added. */
bool puts_add(struct puts *p, struct slice lines, uint64_t n, uint64_t steps, size_t most_bytes);

void puts_drop_first(struct puts *p);
void puts_free(struct puts *p);

#endif
