/* decode_walk_scalar.c - the walk from value to value (decode_walk_body.h) with the steps of plain C. */
#include "record/decode_steps_scalar.h"
#include "record/decode_walk_body.h"

uint64_t walk_take_scalar(struct shape *s, struct walk *w, struct columns *c, size_t row)
{
	return walk_take_body(s, w, c, row);
}

size_t walk_find_scalar(const char *p, const char *end, uint32_t *to, size_t most)
{
	return walk_find_body(p, end, to, most);
}
