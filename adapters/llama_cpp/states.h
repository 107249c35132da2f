/* states.h - the recurrent state of a sequence, in the bytes that llama_state_seq_get_data writes.
 *
 * Written of a sequence, a single cell: something about it, u32 0 (not transposed), u32 layers, then per layer i32
 * type, u64 bytes, the token-shift vectors, then per layer the same and the recurrent matrices. What comes first
 * changes with the version, so the start is looked for. Only fp32 that fills the data to its very end is understood. */
#ifndef RWKVMON_ADAPTERS_LLAMA_STATES_H
#define RWKVMON_ADAPTERS_LLAMA_STATES_H

#include <rwkvmon.h>
#include <stdbool.h>

enum { STATE_PARTS = 2 };

/* Owned by its user: state_free. Zeroed: nothing was read yet. */
struct state {
	uint8_t *bytes;
	size_t n, cap;
	size_t n_layer;
	size_t shift_at, wkv_at;        /* of the first layer */
	size_t shift_bytes, wkv_bytes;  /* of a layer, without what stands before it */
	struct rwkvmon_tensor *tensors; /* (n_layer, STATE_PARTS), from state_tensors */
};

/* Room for n bytes; false: out of memory. */
bool state_reserve(struct state *s, size_t n);

/* Finds the layers in the s->n bytes that were read; false: they are of a kind that is not understood. */
bool state_understand(struct state *s, size_t n_layer, size_t n_embd);

/* The change from `was` to `is` by parts, added to `sums`; false when the two are not of one shape. */
bool state_compare(const struct state *was, const struct state *is, struct rwkvmon_state_sums sums[STATE_PARTS]);

/* Its layers, valid until the state is read again; NULL: out of memory. */
const struct rwkvmon_tensor *state_tensors(struct state *s);

/* A number for the contents of n bytes that a program keeps, from a sample of them. */
uint64_t state_number(const uint8_t *bytes, size_t n);

void state_free(struct state *s);

#endif
