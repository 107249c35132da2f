/* tap.h - the data that a runtime passes to an observer at each forward call.
 *
 * The runtime calls `begin` before and `end` after each forward call. It knows nothing about the observer; a NULL tap
 * costs one branch.
 *
 * Ownership  every pointer is valid during the call only.
 * Threads    called on the thread that runs the forward pass.
 */
#ifndef RWKVMON_SPEC_TAP_H
#define RWKVMON_SPEC_TAP_H

#include "base/state_sums.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tap_part {
	TAP_SHIFT, /* token-shift vectors */
	TAP_WKV,   /* recurrent matrices (v4: aa, bb, pp) */
};

/* One tensor of the state as it is after the call. */
struct tap_state {
	const float *p;
	size_t n; /* floats */
	enum tap_part part;
	int layer;
};

/* The state's change over one call, summed by the runtime while old and new values are in registers. One row per layer
 * and part. */
struct tap_state_stats {
	int layer;
	enum tap_part part;
	struct state_sums sums;
};

struct tap_step {
	const uint32_t *tokens; /* (n_tokens): what was fed */
	size_t n_tokens;
	bool prefill;        /* the tokens belong to a prompt, not to an answer */
	const float *logits; /* (vocab): after the last token, raw, before any sampling */
	size_t vocab;
	double surprisal;   /* mean -ln p of the last n_surprisal tokens of the call, each under the logits of the step
			     * before it */
	size_t n_surprisal; /* 0: not requested, a single token, or too expensive */
	const struct tap_state *state; /* (n_state) */
	size_t n_state;
	const struct tap_state_stats *stats; /* (n_stats), or NULL when not requested or n_tokens > 1 */
	size_t n_stats;
	const float *decay; /* (n_layer, n_decay): w in (0, 1) per channel, of the last token; may be NULL */
	size_t n_layer, n_decay;
};

struct tap {
	void *ctx;
	void (*begin)(void *ctx);
	void (*end)(void *ctx, const struct tap_step *step);
	bool wants_state_stats; /* fill tap_step.stats */
	bool wants_surprisal;   /* fill tap_step.surprisal if logits are cheap (RUN_SURPRISAL_VOCAB) */
};

#endif
