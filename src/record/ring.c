#include "record/ring.h"

#include <stdlib.h>
#include <string.h>

int ring_open(struct ring *r, size_t cap_bytes, struct err *err)
{
	uint64_t cap = 4096;

	while (cap < cap_bytes && cap < UINT64_C(1) << 40)
		cap *= 2;
	memset(r, 0, sizeof *r);
	r->bytes = aligned_alloc(RING_LINE, cap);
	if (!r->bytes)
		return err_set(err, ERR_NOMEM, "no memory for a ring of %llu bytes", (unsigned long long)cap);
	memset(r->bytes, 0, cap);
	r->cap = cap;
	return 0;
}

void ring_close(struct ring *r)
{
	free(r->bytes);
	r->bytes = NULL;
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
	header = *ring_header(r, tail);
	if (header & RING_SKIP) {
		tail += header & ~RING_SKIP;
		atomic_store_explicit(&r->tail, tail, memory_order_release);
		header = *ring_header(r, tail); /* a skip is committed together with its entry */
	}
	*n = header;
	return ring_header(r, tail) + 1;
}

void ring_pop(struct ring *r)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + ring_entry_bytes(*ring_header(r, tail)), memory_order_release);
}
