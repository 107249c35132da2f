/* jitter.h - how much a call's time differs from that of the previous call in the same session.
 *
 * Only calls with the same phase and number of tokens are compared: the last, shorter chunk of a prompt is not jitter.
 * Needs the order of the log. Times are counted in whole microseconds, so that sums depend only on the calls.
 *
 * Ownership  plain values; a zeroed struct is empty.
 */
#ifndef RWKVMON_ANALYZE_JITTER_H
#define RWKVMON_ANALYZE_JITTER_H

#include "analyze/batch.h"
#include "analyze/findings.h"

struct jitter_sum {
	uint64_t pairs, us; /* of absolute differences; stays where it would overflow */
};

struct jitter_call {
	enum phase phase;
	uint32_t tokens; /* 0: there was no call */
	uint64_t us;
};

/* One session. */
struct jitter_track {
	struct jitter_call last;
	struct jitter_sum sum[PHASE_COUNT];
};

/* [hot] Steps of the session. `all` (PHASE_COUNT) takes the same differences. */
void jitter_add(struct jitter_track *t, struct jitter_sum *all, const struct columns *c, const struct batch_run *run);

struct jitter jitter_of(const struct jitter_sum *sum);

#endif
