/* attention.h - the attention of RWKV-7b: what it keeps of every token, and what it adds to a block. Private to
 * runtime/.
 *
 * Context    behind the recurrent tensors of a state: how many tokens were fed, then a row for each, which is its id
 * and, for every layer, K + P numbers. Keys and values are made of these rows, and are made anew after a state was set.
 * Bounds     a sequence has at most MODEL_CONTEXT_MAX tokens; run_forward refuses more.
 */
#ifndef RWKVMON_RUNTIME_ATTENTION_H
#define RWKVMON_RUNTIME_ATTENTION_H

#include "runtime/weights.h"

#include <stdbool.h>

struct attention {
	float *context;    /* of run->state: tokens fed, then (tokens, row_floats); NULL: the model has no attention */
	size_t row_floats; /* 1 + layers (K + P) */
	size_t expanded;   /* tokens whose keys and values are ready, in every layer */
	float *keys;       /* (L, MODEL_CONTEXT_MAX, Q) */
	float *values;     /* (L, MODEL_CONTEXT_MAX, C) */
	float *last_key;   /* (L, Q): of the last expanded token, before its shift */
	float *last_value; /* (L, C) */
	float *queries;    /* (T + 1, Q): row 0 is the state's */
	float *embedded;   /* (T, C) */
	float *up, *table; /* (T, wider of Q and C) */
	float *row;        /* (wider of Q and C) */
};

/* One side of a block's pairs: how its kept numbers become keys, or values. */
struct attention_side {
	const struct matrix *down, *up; /* to the kept numbers, and back */
	const struct matrix *table;     /* (V, width) */
	const struct matrix *table_x;   /* (width, C): adds to a token's row what its embedding says */
	const float *mix, *ln_w, *ln_b; /* (width) */
	bool squashed;                  /* by tanh, before the table */
};

struct attention_weights {
	const struct matrix *query;     /* (Q, C) */
	const float *mix, *ln_w, *ln_b; /* (Q) */
	struct attention_side key, value;
};

/* Floats of the context in a state; 0: the model has none. */
size_t attention_context_floats(const struct model *m);

/* Allocates in the run's arena, once its state is there. */
void attention_allocate(struct run *run);

/* How many tokens were fed in this sequence; 0 where there is no attention. */
size_t attention_fed(const struct run *run);

/* Floats of a state that mean something: all but the rows of tokens not yet fed. */
size_t attention_used_floats(const struct run *run, const float *state);

/* Is this state's context one that can have been written? */
bool attention_state_is_sound(const struct run *run, const float *state);

/* Before and after the blocks of a chunk. */
void attention_begin(struct run *run, const uint32_t *tokens, size_t n);
void attention_end(struct run *run, size_t n);

/* out (n, C) of run->x as it is; `tensor` is that of the state that keeps the last query. */
void attention(struct run *run, const struct attention_weights *w, float *out, size_t layer, size_t tensor, size_t n);

#endif
