/* pool.h - divides work into parts, one per thread, many times per token.
 *
 * Ownership  pool_open creates the threads, pool_close joins them.
 * Threads    pool_run is called by one thread, which does part 0 itself.
 * Cost       [hot] a wake-up of microseconds: workers watch for work a short while before
 *            they sleep. Nothing allocates.
 * Errors     -ERR_NOMEM, -ERR_SYSTEM from pool_open.
 */
#ifndef RWKVMON_RUNTIME_POOL_H
#define RWKVMON_RUNTIME_POOL_H

#include "base/err.h"

#include <stddef.h>

struct pool;

enum { POOL_THREADS_MAX = 64 };

/* threads counts the caller; with 1 *out is NULL, which pool_run and pool_close accept. */
int pool_open(struct pool **out, int threads, struct err *err);
void pool_close(struct pool *p);

/* [hot] Calls fn(ctx, part, parts) for every part, and returns when all have. */
void pool_run(struct pool *p, void (*fn)(void *ctx, int part, int parts), void *ctx);

/* Part `part` of n items, in multiples of `unit`: [*from, *to). */
static inline void pool_slice(size_t n, size_t unit, int part, int parts, size_t *from, size_t *to)
{
	size_t units = (n + unit - 1) / unit, p = (size_t)part, k = (size_t)parts;

	*from = units * p / k * unit;
	*to = units * (p + 1) / k * unit;
	if (*to > n)
		*to = n;
	if (*from > *to)
		*from = *to;
}

#endif
