/* observe.h - one forward call becomes the numbers of one record.
 *
 * Ownership  observer_open creates, observer_close destroys; inputs are read during the call.
 * Threads    one observer belongs to one thread.
 * Cost       [hot] no lock, no I/O; memory is taken only when the number of logits or
 *            state values grows beyond what was seen before, in practice once.
 * Errors     out of memory leaves the metrics that need it unknown; nothing else is lost.
 */
#ifndef RWKVMON_OBSERVE_OBSERVE_H
#define RWKVMON_OBSERVE_OBSERVE_H

#include "record/record.h"
#include "simd/observe.h"

enum state_part { PART_SHIFT, PART_WKV, PART_COUNT }; /* token-shift vectors; recurrent matrices */

struct observed_tensor {
	const void *p; /* (n) values of that type */
	size_t n;
	enum value_type dtype;
	enum state_part part;
};

struct observed_call {
	uint64_t begin_ns, end_ns; /* monotonic */
	const uint32_t *tokens;	   /* (n_tokens), at least one */
	size_t n_tokens;
	enum phase phase;
	bool ends_prefill;
	const void *logits; /* (n_logits) after the last token, or NULL */
	size_t n_logits;
	enum value_type logits_dtype;
	const struct observed_tensor *state; /* (n_state) after the call, or NULL */
	size_t n_state;
	const struct state_sums *sums; /* (PART_COUNT): the state's change, already summed; or NULL. With both, the state
					* is read only when observer_wants_state */
	bool little;		       /* leave out what is expensive: logits, and the state where it is not summed */
	float *layer_norm;	       /* (n_layer): gets the norm of each layer's state; NULL: not asked for */
	size_t n_layer;
	const double *layer_norm2;     /* (n_layer): their squares, when `sums` is given */
	uint64_t state_bytes;	       /* when the state itself is not given; 0 unknown */
};

struct observer;

struct observer *observer_open(void); /* NULL: out of memory */
void observer_close(struct observer *o);

/* The next call begins a new sequence. */
void observer_new_sequence(struct observer *o);

/* The state that its first call is given, and what it ought to be (NULL: all zero): the
 * first record tells how far they are apart. Reads both once; more only when they differ. */
void observer_check_start(struct observer *o, const struct observed_tensor *state, size_t n,
			  const struct observed_tensor *declared, size_t n_declared);

/* [hot] Will the call that ends with so many tokens read a state that comes beside sums? The first of a sequence keeps
 * it, that which completes each 100 tokens is compared with it. */
bool observer_wants_state(const struct observer *o, size_t n_tokens, bool little);

/* [hot] Fills what the call tells: sequence numbers, token counts, phase and metrics.
 * Leaves time, event, session and sampled resources to the caller. */
void observer_call(struct observer *o, const struct observed_call *call, struct record *out);

#endif
