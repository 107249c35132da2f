/* parallel_read.h - several threads read a log and analyse it: the same findings as one thread's, to the bit.
 *
 * Each takes the next block, makes records of it, places them once the blocks before it have been placed, and adds its
 * numbers up by itself. Where its turn has not come, it decodes one more block before it waits: a thread that is held
 * up for a moment holds up no other.
 */
#ifndef RWKVMON_CLI_PARALLEL_READ_H
#define RWKVMON_CLI_PARALLEL_READ_H

#include "analyze/analyze.h"
#include "read/read.h"

enum { PARALLEL_READ_MAX = 32 };

/* Threads that such an input is worth, of at most `most` (UINT64_MAX: as many as there are cores). */
unsigned parallel_read_threads(const struct reader *r, uint64_t most);

/* Gets every record before the analysis does, in the log's order and from one thread at a time. */
struct read_observer {
	void (*see)(void *ctx, const struct columns *c);
	void *ctx;
};

/* Reads to the end with so many threads, 1..PARALLEL_READ_MAX, the caller's among them. When a thread cannot be
 * started, the others do its work. `observer` may be NULL. */
int parallel_read(struct reader *r, struct analysis *a, const struct read_observer *observer, unsigned threads,
		  struct err *err);

#endif
