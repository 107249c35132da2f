/* backoff.h - how long to wait before the next try: 1 s after the first failure, doubling to 60 s, each 25 % more or
 * less, because several processes must not come back all at once. */
#ifndef RWKVMON_EXPORT_BACKOFF_H
#define RWKVMON_EXPORT_BACKOFF_H

#include <stdint.h>

struct backoff {
	unsigned failures; /* in a row; set it to 0 when a try succeeds */
	uint64_t random;
};

struct backoff backoff_begin(uint64_t seed);

/* One more failure: nanoseconds to wait, and never less than the receiver asked for (0: it did not). */
uint64_t backoff_next(struct backoff *b, uint64_t asked_ns);

#endif
