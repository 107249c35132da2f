/* pass.h - the parts of a forward pass that the architectures share. Private to runtime/. */
#ifndef RWKVMON_RUNTIME_PASS_H
#define RWKVMON_RUNTIME_PASS_H

#include "runtime/attention.h"
#include "runtime/pool.h"
#include "runtime/run.h"
#include "runtime/weights.h"
#include "simd/wkv.h"

#define LN_EPS 1e-5F /* torch's default, which RWKV trains with */

/* For one input x of an int8 matrix: the parts of a product that do not depend on q. */
struct int8_terms {
	float half; /* sum x col_scale / 2 */
	float low;  /* sum x col_low */
	float all;  /* sum x */
};

/* What gates the channel mix of v7a and v7b, for a chunk of T tokens. */
struct deep_embed {
	const uint32_t *tokens; /* (T) */
	float *embedded;        /* (T, C): their normalised embeddings; NULL: the model has no such gate */
	float *rows;            /* (T, E) */
	float *row;             /* (E) */
	float *gate;            /* (T, F) */
};

struct run {
	const struct model *model;
	size_t chunk_len;
	bool exact_chunks;
	struct arena arena;
	struct pool *pool; /* NULL: one thread */

	float *state;                  /* all tensors behind one another */
	float *initial;                /* what a new sequence starts from */
	struct tap_state *tensors;     /* (n_tensors) */
	struct tap_state_stats *stats; /* (n_tensors), filled for single tokens when `watching` */
	size_t n_tensors, per_layer;   /* tensors; of one block */
	bool watching;
	struct state_sums *head_changes; /* (H) of the block at hand */

	float *logits;       /* (V) */
	float *spare_logits; /* (V): those after a token within a chunk; NULL: V is too large */
	double surprisal;    /* of the chunk, for the tap; NAN: not known */
	float *decay;        /* (L, A): of the last token */

	/* Scratch for a chunk of T tokens; every buffer is (T, C) unless noted. */
	float *x;  /* the residual stream */
	float *xx; /* (T + 1, C): row 0 is the state's vector, row t + 1 the normalised x of token t */
	float *mixed;
	float *c[9];                /* whatever the architecture needs */
	float *v_first;             /* v7: v of block 0 */
	struct deep_embed deep;     /* v7a, v7b; else empty */
	struct attention attention; /* v7b; else empty */
	float *hidden;              /* (T, F) */
	float *scaled;              /* (T, widest input): inputs of int8 matrices times their scales */
	struct int8_terms *terms;   /* (T) */
	float *low, *low2;          /* (T, widest rank) */
};

/* out (n, C) from xx and the vector before it: the token shift. */
typedef void (*pass_mix_fn)(struct run *run, float *out, const float *m, size_t n);

/* xx + (previous - xx) m, as v6 and v7 have it. */
void pass_mix(struct run *run, float *out, const float *m, size_t n);

/* xx m + previous (1 - m), as v4 and v5 have it. */
void pass_blend(struct run *run, float *out, const float *m, size_t n);

/* x += sigmoid(R mix(m_r)) V relu(K mix(m_k))^2: the channel mix of v4, v5, v6. */
struct pass_ffn {
	const struct matrix *key, *value, *receptance;
	const float *m_k, *m_r;
	pass_mix_fn mix;
};
void pass_channel_mix(struct run *run, const struct pass_ffn *ffn, size_t n);

/* o (n, A): the wkv step of v5 and v6 for every head. w has `w_stride` floats from token to
 * token, 0 when it never changes; u (A). */
struct pass_wkv6 {
	float *o;
	const float *r, *k, *v, *w, *u;
	size_t w_stride;
};
void pass_wkv6(struct run *run, const struct pass_wkv6 *args, size_t layer, size_t n);

/* x += O (GroupNorm(o) SiLU(gate)); gate (n, A) before SiLU, or NULL. Changes o. */
void pass_output(struct run *run, float *o, const float *ln_w, const float *ln_b, const float *gate,
		 const struct matrix *output, size_t n);

/* x += y (n, C) */
void pass_add(struct run *run, const float *y, size_t n);

/* Calls fn(ctx, from, to) for all of n tokens, cut into a stretch per thread. */
typedef void (*pass_tokens_fn)(void *ctx, size_t from, size_t to);
void pass_tokens(struct run *run, size_t n, pass_tokens_fn fn, void *ctx);

/* An activation applied in place to n products of one token; `bias` holds the biases of the same rows, or is NULL. */
typedef void (*pass_activation)(float *y, const float *bias, size_t n);
void pass_relu2(float *y, const float *bias, size_t n);   /* relu(y)^2 */
void pass_tanh(float *y, const float *bias, size_t n);    /* tanh(y) */
void pass_sigmoid(float *y, const float *bias, size_t n); /* sigmoid(y), or of y + bias */

/* y (n, rows) = W x for each of x (n, cols); strides in floats. */
void pass_product(struct run *run, const struct matrix *w, float *y, size_t y_stride, const float *x, size_t x_stride,
		  size_t n);

/* The same with y and x dense, and what becomes of them: `then` runs on the thread that made the products. */
void pass_activated(struct run *run, const struct matrix *w, float *y, const float *x, size_t n, pass_activation then,
		    const float *bias);

/* The same with nothing more to be done. */
static inline void pass_matrix(struct run *run, const struct matrix *w, float *y, const float *x, size_t n)
{
	pass_product(run, w, y, w->rows, x, w->cols, n);
}

/* Calls fn(ctx, head, change) for every head, on all threads, and adds up the changes in the order
 * of heads; `change` is NULL unless watching. */
typedef void (*pass_head_fn)(void *ctx, size_t head, struct state_sums *change);
void pass_heads(struct run *run, size_t layer, size_t tensor, pass_head_fn fn, void *ctx);

/* Adds what a recurrent update of (layer, tensor of the block) changed; a no-op unless watching. */
void pass_watch(struct run *run, size_t layer, size_t tensor, const struct state_sums *change);

/* The decay w (C) the last token of the chunk met in this block. */
static inline void pass_decay(struct run *run, size_t layer, const float *w)
{
	size_t width = run->model->info.n_att;

	memcpy(run->decay + layer * width, w, width * sizeof *w);
}

static inline float *pass_state(struct run *run, size_t layer, size_t tensor)
{
	return run->state + (run->tensors[layer * run->per_layer + tensor].p - run->state);
}

static inline float sigmoid(float x)
{
	return 1 / (1 + __builtin_expf(-x));
}

#endif
