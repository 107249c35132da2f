/* run.h - one stream of tokens through a model: its recurrent state and its scratch memory.
 *
 * Ownership  run_open creates, run_close destroys; the model must outlive it. Logits and
 *            state belong to the run and change with the next call.
 * Threads    a run belongs to one thread, the tap is called there; runs are independent of
 *            each other. Its own threads only do arithmetic.
 * Cost       [hot] functions allocate nothing. A forward call reads every weight once per
 *            chunk, so feeding a prompt in chunks is much faster than token by token.
 * Errors     negative codes; a refused call leaves state and logits as they were.
 * Units      token counts, elements.
 */
#ifndef RWKVMON_RUNTIME_RUN_H
#define RWKVMON_RUNTIME_RUN_H

#include "runtime/model.h"
#include "spec/tap.h"

enum {
	RUN_CHUNK_DEFAULT = 64,
	RUN_CHUNK_MAX = 4096,
	RUN_SURPRISAL_VOCAB = 4096, /* for larger vocabularies, logits after every token of a prompt are too
				     * expensive */
};

struct run;

struct run_config {
	size_t chunk_len;  /* most tokens of one forward call; 0 = RUN_CHUNK_DEFAULT, at most RUN_CHUNK_MAX */
	int threads;       /* that share the work of one token, the caller included; 0 = 1. The numbers are
			    * the same with any count. */
	bool exact_chunks; /* a chunk gives bit for bit what its tokens one by one give; slower by about half */
};

/* *out is NULL on error. cfg may be NULL. The state is zero (a new sequence). */
int run_open(struct run **out, const struct model *m, const struct run_config *cfg, struct err *err);
void run_close(struct run *run); /* NULL is fine */

struct run_call {
	const uint32_t *tokens; /* (n) */
	size_t n;
	bool prefill;          /* passed to the tap: the tokens belong to a prompt */
	float *all_logits;     /* (n, n_vocab): those after each token; NULL = only the last are computed */
	bool no_logits;        /* compute no logits at all: run_logits stays as it was */
	const struct tap *tap; /* may be NULL; called once per chunk */
	int (*stop)(void);     /* may be NULL; asked between chunks: not 0 leaves the rest unfed */
};

/* [hot] Feeds n >= 1 tokens, at most chunk_len at a time. */
int run_forward(struct run *run, const struct run_call *call, struct err *err);

/* (n_vocab) after the last token fed; zeros before the first. */
const float *run_logits(const struct run *run);

/* [hot] A new sequence: the state is zero again (v4: its exponents -1e30), or the trained
 * initial state when the checkpoint or run_load_state brought one. */
void run_reset(struct run *run);

/* Makes a file's state the initial one and resets: a state-tuning file (.pth or .safetensors
 * with blocks.N.att.time_state, RWKV-5, -6 and -7), or raw little-endian floats as
 * run_state_flat gives them. */
int run_load_state(struct run *run, const char *path, struct err *err);

/* The state's tensors in the official order, per block att_xx (C), att_kv (H, N, N), ffn_xx (C);
 * v4 att_xx (C), aa, bb, pp (A), ffn_xx (C). */
const struct tap_state *run_state(const struct run *run, size_t *n);

/* The same as one flat run, model_info's state_floats long. */
const float *run_state_flat(const struct run *run);
void run_state_set(struct run *run, const float *flat);
void run_logits_set(struct run *run, const float *logits); /* those that belong to a state that was set */
const struct model_info *run_model_info(const struct run *run);

#endif
