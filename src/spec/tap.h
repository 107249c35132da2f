/* tap.h - what a runtime hands over while it runs, to whoever listens.
 *
 * The runtime calls `begin` before and `end` after each forward call. It knows nothing
 * of the listener; a NULL tap costs one branch.
 *
 * Ownership  every pointer is valid during the call only.
 * Threads    called on the thread that runs the forward pass.
 */
#ifndef RWKVMON_SPEC_TAP_H
#define RWKVMON_SPEC_TAP_H

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

/* The state's change over one call, summed by the runtime where old and new values are
 * in registers anyway. One row per layer and part. */
struct tap_state_stats {
	int layer;
	enum tap_part part;
	double dot;              /* sum of old * new */
	double old_norm2, new_norm2; /* sums of squares */
	double change_norm2;     /* sum of (new - old)^2 */
	uint64_t nonfinite;      /* values of new that are NaN or Inf */
};

struct tap_step {
	const uint32_t *tokens; /* (n_tokens): what was fed */
	size_t n_tokens;
	bool prefill;           /* part of a prompt, not of an answer */
	const float *logits;    /* (vocab): after the last token, raw, before any sampling */
	size_t vocab;
	const struct tap_state *state; /* (n_state) */
	size_t n_state;
	const struct tap_state_stats *stats; /* (n_stats), or NULL when not asked for or n_tokens > 1 */
	size_t n_stats;
	const float *decay; /* (n_layer, n_decay): w in (0, 1) per channel, of the last token; may be NULL */
	size_t n_layer, n_decay;
};

struct tap {
	void *ctx;
	void (*begin)(void *ctx);
	void (*end)(void *ctx, const struct tap_step *step);
	bool wants_state_stats; /* fill tap_step.stats */
};

#endif
