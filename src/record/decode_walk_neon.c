/* decode_walk_neon.c - the walk from value to value (decode_walk_body.h) with the steps of NEON. */
#if defined(__aarch64__)
#include "record/decode_steps_neon.h"
#include "record/decode_walk_body.h"

uint64_t walk_take_neon(struct shape *s, struct walk *w, struct columns *c, size_t row)
{
	return walk_take_body(s, w, c, row);
}

size_t walk_find_neon(const char *p, const char *end, uint32_t *to, size_t most)
{
	return walk_find_body(p, end, to, most);
}
#else
typedef int no_neon_here; /* a translation unit is not empty */
#endif
