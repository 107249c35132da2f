/* tuning_log.h - what the sessions of a log tell about strategies: they were not run in turns, so only what holds for
 * every session counts.
 *
 * Ownership  texts belong to the findings. */
#ifndef RWKVMON_ANALYZE_TUNING_LOG_H
#define RWKVMON_ANALYZE_TUNING_LOG_H

#include "analyze/findings.h"

enum { TUNING_GROUPS = 32, TUNING_SESSIONS_LEAST = 3 };

/* The sessions of one model with one strategy. */
struct tuning_group {
	const char *model, *strategy;
	uint64_t sessions, tokens;
	double fastest_ms, slowest_ms; /* medians of a session's token latency */
	double memory_mb, kl;          /* the most of a session; the largest mean. NAN: not in the log */
};

struct tuning_log {
	struct tuning_group of[TUNING_GROUPS];
	size_t n;
};

void tuning_log_gather(struct tuning_log *out, const struct findings *f);

/* Every session of `a` was faster than every session of `b`, and there are enough of both. */
bool tuning_log_faster(const struct tuning_group *a, const struct tuning_group *b);

#endif
