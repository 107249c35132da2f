/* ring.h - variable-sized entries from one producer to one consumer, without a lock.
 *
 *     | entry | entry | … free … |        head: written by the producer only
 *       ^tail             ^head           tail: written by the consumer only
 *
 * An entry is a 8-byte header (its payload's size) and the payload, padded to 8 bytes; it
 * never wraps: when it does not fit before the end, a skip entry fills the rest. head and
 * tail only grow; their difference is what is in use, so they are compared unsigned.
 *
 * Threads    one producer thread, one consumer thread.
 * Cost       reserve and commit: two loads, one store, no system call; the payload is
 *            written in place.
 */
#ifndef RWKVMON_RECORD_RING_H
#define RWKVMON_RECORD_RING_H

#include "base/err.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	unsigned char *bytes; /* (cap) */
	uint64_t cap;	      /* a power of two */

	/* The producer's line: its own counter and the tail it saw last. */
	alignas(64) _Atomic uint64_t head;
	uint64_t tail_seen;
	uint64_t reserved; /* bytes of the open reservation, its skip included */

	/* The consumer's line. */
	alignas(64) _Atomic uint64_t tail;
	uint64_t head_seen;
};

/* cap_bytes is rounded up to a power of two, at least 4096. */
int ring_open(struct ring *r, size_t cap_bytes, struct err *err);
void ring_close(struct ring *r);

/* [producer] Room for n bytes (8-aligned), or NULL when the ring is full or n is more than
 * a quarter of it. What is reserved becomes visible with ring_commit. */
void *ring_reserve(struct ring *r, size_t n);
void ring_commit(struct ring *r);

/* [consumer] The oldest entry, or NULL. It stays until ring_pop. */
const void *ring_front(struct ring *r, size_t *n);
void ring_pop(struct ring *r);

#endif
