/* arena.h - allocates many small objects that share one lifetime.
 *
 * Memory is zeroed and aligned for any type; nothing is freed one by one.
 * `failed` sticks: build everything, test once. A zeroed struct is an empty arena.
 * Vector code may load whole registers from what is allocated here: ARENA_READ_AFTER bytes
 * past the end of any allocation can be read (their values mean nothing).
 */
#ifndef RWKVMON_BASE_ARENA_H
#define RWKVMON_BASE_ARENA_H

#include "base/slice.h"

enum { ARENA_READ_AFTER = 64 }; /* bytes */

struct arena_block;

struct arena {
	struct arena_block *newest;
	size_t total_bytes; /* allocated so far */
	bool failed;
};

/* NULL when count * size overflows or memory runs out. */
void *arena_alloc(struct arena *a, size_t count, size_t size_bytes);

/* A NUL-terminated copy. */
char *arena_copy(struct arena *a, struct slice text);

void arena_free(struct arena *a);

#endif
