/* bell.h - a thread sleeps until it is called or a time has passed; calling takes no lock.
 *
 * Threads  one waits, any may ring. What was written before bell_ring is seen after the bell_wait that heard it.
 * Cost     of ringing: an atomic exchange, and, when no earlier ring is unheard, a system call that never waits.
 */
#ifndef RWKVMON_BASE_BELL_H
#define RWKVMON_BASE_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bell {
	_Atomic uint32_t rung; /* a zeroed bell is silent */
};

void bell_ring(struct bell *b);

/* true as soon as the bell has been rung, at once if it was before: it is silent again. false after ns, now and then
 * earlier: an earlier ring's call may come late. */
bool bell_wait(struct bell *b, uint64_t ns);

#endif
