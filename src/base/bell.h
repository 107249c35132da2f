/* bell.h - lets a thread sleep until it is woken or a time has passed; waking it takes no lock.
 *
 * Threads  one waits, any may ring. Writes made before bell_ring are visible after the bell_wait that it ended.
 * Cost     ringing takes an atomic exchange and, unless an earlier ring is still pending, a system call that never
 *          waits.
 */
#ifndef RWKVMON_BASE_BELL_H
#define RWKVMON_BASE_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bell {
	_Atomic uint32_t rung; /* 0: not rung; a zeroed struct is valid */
};

void bell_ring(struct bell *b);

/* Returns true as soon as the bell is rung, immediately if it was rung before, and resets it. Returns false after ns,
 * occasionally earlier: the system call of an earlier ring may arrive late, or a signal came. */
bool bell_wait(struct bell *b, uint64_t ns);

#endif
