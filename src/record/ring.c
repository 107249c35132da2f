/* ring.c - head and tail only grow; their difference is the number of bytes in use. */
#include "record/ring.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int ring_open(struct ring *r, size_t cap_bytes, struct err *err)
{
	uint64_t cap = 4096;

	while (cap < cap_bytes && cap < UINT64_C(1) << 40)
		cap *= 2;
	memset(r, 0, sizeof *r);
	r->memory = calloc(1, cap + RING_LINE); /* fresh pages, which are zero already, stay untouched */
	if (!r->memory)
		return err_set(err, ERR_NOMEM, "no memory for a ring of %llu bytes", (unsigned long long)cap);
	r->bytes = (unsigned char *)r->memory + -(uintptr_t)r->memory % RING_LINE;
	r->touched = cap < RING_TOUCHED ? cap : RING_TOUCHED;
	memset(r->bytes, 0, r->touched);
	r->cap = cap;
	return 0;
}

void ring_close(struct ring *r)
{
	free(r->memory);
	r->bytes = r->memory = NULL;
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

/* Pages are made writable without a change to what they hold, which the producer may be writing. A kernel before 5.14
 * cannot: then they come by page faults. */
void ring_touch(struct ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed), page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t want = head < r->cap - RING_TOUCHED ? head + RING_TOUCHED : r->cap;
	uintptr_t from = (uintptr_t)(r->bytes + r->touched) & ~(page - 1),
		  to = (uintptr_t)(r->bytes + want) & ~(page - 1);

	if (r->cap <= RING_TOUCHED || want <= r->touched)
		return;
	r->touched = want;
#ifdef MADV_POPULATE_WRITE
	madvise((void *)from, to - from, MADV_POPULATE_WRITE);
#endif
}
