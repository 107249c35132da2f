/* arena.c - allocates from blocks of doubling size; arena_free releases all of them at once. */
#include "base/arena.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { BLOCK_FIRST = 1 << 12, BLOCK_MOST = 1 << 16 }; /* bytes */

struct arena_block {
	struct arena_block *older;
	size_t used, cap; /* bytes of data; ARENA_READ_AFTER more follow, which nothing uses */
	alignas(max_align_t) unsigned char data[];
};

static struct arena_block *block_with(struct arena *a, size_t bytes)
{
	struct arena_block *b = a->newest;
	size_t cap = !b ? BLOCK_FIRST : b->cap < BLOCK_MOST / 2 ? 2 * b->cap : BLOCK_MOST;

	if (b && b->cap - b->used >= bytes)
		return b;
	cap = bytes > cap ? bytes : cap;
	b = calloc(1, sizeof *b + cap + ARENA_READ_AFTER);
	if (!b)
		return NULL;
	b->cap = cap;
	b->older = a->newest;
	a->newest = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t count, size_t size_bytes)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *b = NULL;
	size_t bytes;

	if (!a->failed && (!size_bytes || count <= (SIZE_MAX / 4) / size_bytes)) {
		bytes = (count * size_bytes + align - 1) / align * align;
		b = block_with(a, bytes);
	}
	if (!b) {
		a->failed = true;
		return NULL;
	}
	b->used += bytes;
	a->total_bytes += bytes;
	return b->data + b->used - bytes;
}

char *arena_copy(struct arena *a, struct slice text)
{
	char *copy = arena_alloc(a, text.n + 1, 1);

	if (copy && text.n)
		memcpy(copy, text.p, text.n);
	return copy;
}

void arena_free(struct arena *a)
{
	for (struct arena_block *b = a->newest, *older; b; b = older) {
		older = b->older;
		free(b);
	}
	*a = (struct arena){ 0 };
}
