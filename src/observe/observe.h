/* observe.h - computes the metrics of one record from one forward call.
 *
 * Ownership  observer_open creates, observer_close destroys; inputs are read only during the call.
 * Threads    one observer belongs to one thread.
 * Cost       [hot] no lock, no I/O; memory is taken only when the number of logits or
 *            state values grows beyond what was seen before, in practice once; of an observer with a room also as its
 *            first sequences grow (cycle.h).
 * Errors     out of memory leaves the metrics that need it unknown; nothing else is lost.
 */
#ifndef RWKVMON_OBSERVE_OBSERVE_H
#define RWKVMON_OBSERVE_OBSERVE_H

#include "observe/verdict.h"
#include "record/record.h"
#include "simd/observe.h"

#include <stdatomic.h>

enum state_part { PART_SHIFT, PART_WKV, PART_COUNT }; /* token-shift vectors; recurrent matrices */

struct observed_tensor {
	const void *p; /* (n) values of that type */
	size_t n;
	enum value_type dtype;
	enum state_part part;
};

struct observed_call {
	uint64_t begin_ns, end_ns; /* monotonic */
	const uint32_t *tokens;    /* (n_tokens), at least one */
	size_t n_tokens;
	enum phase phase;
	bool ends_prefill;
	const void *logits; /* (n_logits) after the last token, or NULL */
	size_t n_logits;
	enum value_type logits_dtype;
	const struct observed_tensor *state; /* (n_state) after the call, or NULL */
	size_t n_state;
	const struct state_sums *sums; /* (PART_COUNT): the state's change, already summed; or NULL. With both, the
					* state is read only when observer_wants_state */
	bool little;                   /* skip what is expensive: logits, and the state unless it is summed */
	float *layer_norm;             /* (n_layer): gets the norm of each layer's state; NULL: not wanted */
	size_t n_layer;
	const double *layer_norm2; /* (n_layer): their squares, when `sums` is given */
	uint64_t state_bytes;      /* when the state itself is not given; 0 unknown */
};

struct observer;

/* What the copies of logits and states may take that several observers compare by. Where it is not enough they take
 * turns: one that has compared gives its copies up, and its records say how often it comes (sampled_every). The states
 * that drift is measured from may take half of it. Belongs to one thread, except for used_bytes. */
struct copy_room {
	_Atomic uint64_t *used_bytes; /* shared by all rooms of the process */
	uint64_t most_bytes;
	uint64_t calls, refused_at; /* calls of all observers; the last one that got no room, from 1; 0: none yet */
};

struct observer *observer_open(struct copy_room *room); /* room: NULL: whatever it takes. NULL: out of memory */
void observer_close(struct observer *o);

/* One that goes on where `from` is, as the first sequence of another session; copies only as far as there is room. */
struct observer *observer_branch(const struct observer *from, struct copy_room *room);

/* Sets the vocabulary size, before the first call; otherwise it is taken from the logits. */
void observer_set_vocab(struct observer *o, size_t vocab);

/* The next call begins a new sequence. */
void observer_new_sequence(struct observer *o);

/* The state was rewound to before the last n tokens: the next call continues from there. */
void observer_go_back(struct observer *o, uint64_t n);

/* The state that the first call of the sequence is given, and the declared one (NULL: all zero): the first record says
 * how far they differ. Reads both once; more only if they differ. */
void observer_check_start(struct observer *o, const struct observed_tensor *state, size_t n,
			  const struct observed_tensor *declared, size_t n_declared);

/* [hot] The state that the next call is given, where it is kept: compared with the copy of what the last call left, and
 * copied if it is another one. Without a copy nothing is known. */
void observer_given(struct observer *o, const struct observed_tensor *state, size_t n);

/* [hot] Will the next call, with this many tokens, read a state that is given together with sums? The first call of a
 * sequence keeps the state, and calls that complete another 100 tokens are compared with it. */
bool observer_wants_state(const struct observer *o, size_t n_tokens, bool little);

/* [hot] After observer_call, when the record's surprisal is final; it is the mean over this many of the call's tokens.
 * Adds the mean surprisal of the prompt so far to the record. */
void observer_input(struct observer *o, size_t n_surprisal, struct record *out);

/* [hot] After that, when the record's metrics are final: records what observer_verdict judges by. */
void observer_note(struct observer *o, const struct record *r);

/* [hot] Gives the verdict after the last call. */
void observer_verdict(const struct observer *o, struct observed_verdict *out);

/* Where it stands: the record's sequence and sequence_length. */
void observer_place(const struct observer *o, struct record *out);

/* [hot] Fills what is known from the call: sequence numbers, token counts, phase and metrics.
 * Leaves time, event, session and sampled resources to the caller; sampled_every, which is to be set before, grows when
 * there is no room for copies. */
void observer_call(struct observer *o, const struct observed_call *call, struct record *out);

#endif
