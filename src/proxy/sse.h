/* sse.h - splits a stream of server-sent events into the data of each event.
 *
 * Ownership  a zeroed struct with `max` set is ready; sse_free releases.
 * Bounds     an event of more than `max` bytes is skipped and counted.
 */
#ifndef RWKVMON_PROXY_SSE_H
#define RWKVMON_PROXY_SSE_H

#include "base/buf.h"

struct sse {
	size_t max;      /* bytes of one event */
	struct buf line; /* of the line that has not ended yet */
	struct buf data; /* of the event that has not ended yet */
	bool skipping;   /* that event is too long */
	uint64_t skipped;
};

/* Calls `event` with the data of each event that ends in `bytes`; valid during the call. */
void sse_feed(struct sse *s, struct slice bytes, void (*event)(void *ctx, struct slice data), void *ctx);
void sse_free(struct sse *s);

#endif
