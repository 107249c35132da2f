/* clock.h - time as a parameter, so that tests decide what time it is.
 *
 * mono_ns never goes back, and only its differences have a meaning; wall_us is Unix time.
 */
#ifndef RWKVMON_BASE_CLOCK_H
#define RWKVMON_BASE_CLOCK_H

#include "base/slice.h"

#include <stdint.h>

struct clock {
	uint64_t (*mono_ns)(void *ctx);
	int64_t (*wall_us)(void *ctx);
	void *ctx;
};

extern const struct clock clock_system;

static inline uint64_t clock_mono_ns(const struct clock *c)
{
	return c->mono_ns(c->ctx);
}

static inline int64_t clock_wall_us(const struct clock *c)
{
	return c->wall_us(c->ctx);
}

enum { TIME_TEXT_BYTES = 25 }; /* "2025-09-11T12:34:56.789Z" and its NUL */

/* From the earliest to the latest; `first`: there was none. */
static inline void widen_span(int64_t *from_us, int64_t *to_us, bool first, int64_t more_from_us, int64_t more_to_us)
{
	*from_us = first || more_from_us < *from_us ? more_from_us : *from_us;
	*to_us = first || more_to_us > *to_us ? more_to_us : *to_us;
}

/* UTC with milliseconds. Years outside 0..9999 are clamped. */
void time_format(char out[TIME_TEXT_BYTES], int64_t unix_us);

/* ISO 8601: date, 'T' or space, time with 0..9 fractional digits, then 'Z', an offset
 * (+08:00, +0800, +08) or nothing (taken as UTC). False when it is none of these. */
bool time_parse(struct slice text, int64_t *unix_us);

#endif
