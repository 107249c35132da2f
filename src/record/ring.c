#include "record/ring.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 8 };

/* A header's top bit marks filler up to the end of the buffer. */
static const uint64_t SKIP = UINT64_C(1) << 63;

int ring_open(struct ring *r, size_t cap_bytes, struct err *err)
{
	uint64_t cap = 4096;

	while (cap < cap_bytes && cap < UINT64_C(1) << 40)
		cap *= 2;
	memset(r, 0, sizeof *r);
	r->bytes = aligned_alloc(64, cap);
	if (!r->bytes)
		return err_set(err, ERR_NOMEM, "no memory for a ring of %llu bytes", (unsigned long long)cap);
	r->cap = cap;
	return 0;
}

void ring_close(struct ring *r)
{
	free(r->bytes);
	r->bytes = NULL;
}

static uint64_t *header_at(struct ring *r, uint64_t position)
{
	return (uint64_t *)(void *)(r->bytes + (position & (r->cap - 1)));
}

static uint64_t entry_bytes(uint64_t payload)
{
	return HEADER_BYTES + ((payload + 7) & ~UINT64_C(7));
}

static int has_room(struct ring *r, uint64_t head, uint64_t bytes)
{
	if (r->cap - (head - r->tail_seen) >= bytes)
		return 1;
	r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	return r->cap - (head - r->tail_seen) >= bytes;
}

void *ring_reserve(struct ring *r, size_t n)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t to_end = r->cap - (head & (r->cap - 1));
	uint64_t need = entry_bytes(n), skip = need > to_end ? to_end : 0;

	if (n > r->cap / 4 || !has_room(r, head, need + skip))
		return NULL;
	if (skip)
		*header_at(r, head) = SKIP | skip;
	*header_at(r, head + skip) = n;
	r->reserved = need + skip;
	return header_at(r, head + skip) + 1;
}

void ring_commit(struct ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	atomic_store_explicit(&r->head, head + r->reserved, memory_order_release);
	r->reserved = 0;
}

const void *ring_front(struct ring *r, size_t *n)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint64_t header;

	if (tail == r->head_seen) {
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail == r->head_seen)
			return NULL;
	}
	header = *header_at(r, tail);
	if (header & SKIP) {
		tail += header & ~SKIP;
		atomic_store_explicit(&r->tail, tail, memory_order_release);
		header = *header_at(r, tail); /* a skip is committed together with its entry */
	}
	*n = header;
	return header_at(r, tail) + 1;
}

void ring_pop(struct ring *r)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + entry_bytes(*header_at(r, tail)), memory_order_release);
}
