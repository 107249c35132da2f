/* adapt.h - --adapt-sampling: sampling follows how much the text repeats itself, in small steps, and comes back.
 *
 * If more than half of the last 100 tokens are repetitions, and the model is surer and the text less surprising than
 * they were while nothing repeated, the settings move one step from the given ones towards their bounds; below a
 * quarter, they move one step back. In between they stay. If nothing repeats, nothing moves: the tokens are those of a
 * run without this option.
 *
 * Pure: the same verdicts give the same steps. */
#ifndef RWKVMON_CLI_ADAPT_H
#define RWKVMON_CLI_ADAPT_H

#include "runtime/sampler.h"

#include <rwkvmon.h>
#include <stdbool.h>

enum { ADAPT_STEPS = 8 };

struct adapt {
	bool on;
	bool bytes;                                /* penalties would garble them: they stay */
	unsigned step;                             /* 0: as given; ADAPT_STEPS: at the bounds */
	uint64_t next;                             /* tokens of the answer until which it stays */
	double healthy_entropy, healthy_surprisal; /* while nothing repeated; 0: not known yet */
};

/* After so many tokens of the answer; true: the step has changed. */
bool adapt_follow(struct adapt *a, const struct rwkvmon_verdict *v, uint64_t tokens);

/* The given settings, that many steps towards the bounds. */
struct sampler_config adapt_sampling(const struct adapt *a, const struct sampler_config *given);

#endif
