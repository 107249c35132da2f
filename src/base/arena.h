/* arena.h - many small things with one lifetime.
 *
 * Memory is zeroed and aligned for any type; nothing is freed one by one.
 * `failed` sticks: build everything, test once. A zeroed struct is an empty arena.
 */
#ifndef RWKVMON_BASE_ARENA_H
#define RWKVMON_BASE_ARENA_H

#include "base/slice.h"

struct arena_block;

struct arena {
	struct arena_block *newest;
	size_t total_bytes; /* handed out so far */
	bool failed;
};

/* NULL when count * size overflows or memory is out. */
void *arena_alloc(struct arena *a, size_t count, size_t size_bytes);

/* A NUL-terminated copy. */
char *arena_copy(struct arena *a, struct slice text);

void arena_free(struct arena *a);

#endif
