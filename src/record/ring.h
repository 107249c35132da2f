/* ring.h - passes variable-sized entries from one producer to one consumer, without a lock.
 *
 *     | entry | entry | … free … |        head: written by the producer only
 *       ^tail             ^head           tail: written by the consumer only
 *
 * An entry is a 8-byte header (its payload's size) and the payload, padded to 8 bytes; it
 * never wraps: when it does not fit before the end, a skip entry fills the rest. head and tail only grow; their
 * difference is the number of bytes in use, so they are compared as unsigned numbers.
 *
 * Threads    one producer thread, one consumer thread.
 * Cost       reserve and commit: two loads, one store, no system call; the payload is written in place. Inline: a
 *            call would cost as much as they do.
 * Memory     what lies less than RING_TOUCHED bytes beyond the entries is in memory: from the start, and then as
 *            ring_touch sees to it. Who puts more than that between two calls of it waits for a page fault at each
 *            page (0.3 us), once. Many rings of which little is used take little.
 */
#ifndef RWKVMON_RECORD_RING_H
#define RWKVMON_RECORD_RING_H

#include "base/err.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RING_LINE = 64 /* bytes that move between processors together */, RING_TOUCHED = 64 << 10 };

struct ring {
	unsigned char *bytes; /* (cap), in `memory` */
	void *memory;
	uint64_t cap; /* a power of two */

	/* The producer's line: its own counter and the tail it saw last. */
	alignas(RING_LINE) _Atomic uint64_t head;
	uint64_t tail_seen;
	uint64_t reserved; /* bytes of the open reservation, its skip included */

	/* The consumer's line. */
	alignas(RING_LINE) _Atomic uint64_t tail;
	uint64_t head_seen;
	uint64_t touched; /* bytes of the buffer that are in memory */
};

/* cap_bytes is rounded up to a power of two, at least 4096. */
int ring_open(struct ring *r, size_t cap_bytes, struct err *err);
void ring_close(struct ring *r);

/* --- an entry's header: its payload's bytes; the top bit marks filler up to the buffer's end --- */

#define RING_SKIP (UINT64_C(1) << 63)

static inline uint64_t *ring_header(struct ring *r, uint64_t position)
{
	return (uint64_t *)(void *)(r->bytes + (position & (r->cap - 1)));
}

static inline uint64_t ring_entry_bytes(uint64_t payload)
{
	return sizeof(uint64_t) + ((payload + 7) & ~UINT64_C(7));
}

static inline bool ring_has_room(struct ring *r, uint64_t head, uint64_t bytes)
{
	if (r->cap - (head - r->tail_seen) >= bytes)
		return true;
	r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	return r->cap - (head - r->tail_seen) >= bytes;
}

/* [producer] Reserves n bytes (8-aligned); NULL when the ring is full or n is more than a quarter of it. They become
 * visible with ring_commit. */
static inline void *ring_reserve(struct ring *r, size_t n)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t to_end = r->cap - (head & (r->cap - 1));
	uint64_t need = ring_entry_bytes(n), skip = need > to_end ? to_end : 0;

	if (n > r->cap / 4 || !ring_has_room(r, head, need + skip))
		return NULL;
	if (skip)
		*ring_header(r, head) = RING_SKIP | skip;
	*ring_header(r, head + skip) = n;
	r->reserved = need + skip;
	return ring_header(r, head + skip) + 1;
}

/* [producer] Is at least half of the ring in use? */
static inline bool ring_is_half_full(struct ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (head - r->tail_seen <= r->cap / 2)
		return false;
	r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	return head - r->tail_seen > r->cap / 2;
}

/* Prefetches the cache lines after the entry for the next one, since the consumer may have used them last. */
static inline void ring_commit(struct ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed) + r->reserved;

	atomic_store_explicit(&r->head, head, memory_order_release);
	r->reserved = 0;
	__builtin_prefetch(r->bytes + ((head + 2 * RING_LINE) & (r->cap - 1)), 1);
	__builtin_prefetch(r->bytes + ((head + 3 * RING_LINE) & (r->cap - 1)), 1);
}

/* [consumer] The oldest entry, or NULL. It stays until ring_pop. */
const void *ring_front(struct ring *r, size_t *n);
void ring_pop(struct ring *r);

/* [consumer] Takes the memory that the next RING_TOUCHED bytes of entries will need. */
void ring_touch(struct ring *r);

#endif
