/* ease.h - the way back from the bold sampling after a rewind to what the user gave: step by step, and bolder again as
 * soon as the text begins to repeat itself or to become dull.
 *
 * A model that looped at the given settings is likely to loop at them again, and before it does, its text is duller
 * than it was while drawing was bold. So the given settings are approached for as long as little repeats and the
 * surprisal stays near that level, and left again before the repetition is a loop, which costs no tokens; a rewind
 * would.
 *
 * Pure: the same verdicts give the same steps. */
#ifndef RWKVMON_CLI_EASE_H
#define RWKVMON_CLI_EASE_H

#include "runtime/sampler.h"

#include <rwkvmon.h>
#include <stdbool.h>

enum { EASE_STEPS = 8 };

struct ease {
	struct sampler_config boldest;
	unsigned step; /* 0: as given; EASE_STEPS: the boldest */
	uint64_t next; /* tokens of the answer until which it stays */
	double lively; /* mean surprisal while boldest, nats; 0: not known */
	uint64_t seen; /* tokens it is the mean of */
	bool on;       /* the answer was rewound */
};

/* After a rewind: as bold as that until so many tokens of the answer. Where that is what was given (after values that
 * were not finite), nothing follows. */
void ease_begin(struct ease *e, const struct sampler_config *given, const struct sampler_config *boldest,
		uint64_t until);

/* After so many tokens of the answer; true: the step has changed. */
bool ease_follow(struct ease *e, const struct rwkvmon_verdict *v, uint64_t tokens);

/* The given settings, that many steps towards the boldest. */
struct sampler_config ease_sampling(const struct ease *e, const struct sampler_config *given);

#endif
