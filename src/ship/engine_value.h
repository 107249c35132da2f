/* engine_value.h - the engine's answers are JSON lines whose values are all texts: "12" is a number. */
#ifndef RWKVMON_SHIP_ENGINE_VALUE_H
#define RWKVMON_SHIP_ENGINE_VALUE_H

#include "base/buf.h"
#include "base/json_read.h"

/* A value between its quotes; what has escapes is a name, and read by `engine_text`. */
static inline struct slice engine_bare(struct slice value)
{
	return value.n >= 2 && *value.p == '"' ? (struct slice){ value.p + 1, value.n - 2 } : value;
}

/* 0: it is no number above it. */
static inline uint64_t engine_whole(struct slice value)
{
	int64_t n;

	return json_read_whole(engine_bare(value), &n) && n > 0 ? (uint64_t)n : 0;
}

/* Empty: it is no text. It lasts as long as `room`. */
static inline struct slice engine_text(struct buf *room, struct slice value)
{
	buf_clear(room);
	if (!json_read_text(room, value))
		buf_clear(room);
	return room->used ? buf_slice(room) : slice_of("");
}

#endif
