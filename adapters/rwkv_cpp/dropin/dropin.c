/* dropin.c - our runtime behind rwkv.cpp's C API.
 *
 * Any model that rwkvmon reads will do, and any number of tokens in one call. As in rwkv.cpp a sequence gives
 * bit for bit what its tokens one by one give (run_config.exact_chunks), and version 5 is computed with rwkv.cpp's
 * eps of the group norm, which its files were made for. Nothing runs on a GPU. */
#include "rwkv.h"

#include "base/cpu.h"
#include "runtime/ggmf_quantise.h"
#include "runtime/run.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RWKV_CPP_V5_EPS 1e-5F

enum { CHUNK_LEN = 64 };

/* Shared by a context and its clones. */
struct shared_model {
	struct model *model;
	atomic_int users;
};

struct rwkv_context {
	struct shared_model *shared;
	struct run *run;
	float *initial; /* (state_floats): the state of a new sequence, in our order */
	float *state;   /* (state_floats): the same of the caller's state */
	enum rwkv_error_flags last_error;
	bool print_errors;
};

static _Thread_local enum rwkv_error_flags last_error;
static _Thread_local bool print_errors = true;

/* -- errors ---------------------------------------------------------------------------------- */

static enum rwkv_error_flags flags_of(int code)
{
	switch (-code) {
	case ERR_USAGE:
		return RWKV_ERROR_ARGS;
	case ERR_OPEN:
		return RWKV_ERROR_FILE | RWKV_ERROR_FILE_OPEN;
	case ERR_READ:
	case ERR_TRUNCATED:
		return RWKV_ERROR_FILE | RWKV_ERROR_FILE_READ;
	case ERR_WRITE:
		return RWKV_ERROR_FILE | RWKV_ERROR_FILE_WRITE;
	case ERR_FORMAT:
		return RWKV_ERROR_FILE | RWKV_ERROR_FILE_MAGIC;
	case ERR_SHAPE:
		return RWKV_ERROR_MODEL_PARAMS | RWKV_ERROR_SHAPE;
	case ERR_NOMEM:
		return RWKV_ERROR_CTX | RWKV_ERROR_ALLOC;
	default:
		return RWKV_ERROR_MODEL | RWKV_ERROR_UNSUPPORTED;
	}
}

/* Notes the error where the API looks for it; always false. ctx NULL: of no context. */
static bool failed(struct rwkv_context *ctx, int code, const struct err *err)
{
	*(ctx ? &ctx->last_error : &last_error) = flags_of(code);
	if (ctx ? ctx->print_errors : print_errors)
		fprintf(stderr, "librwkv (rwkvmon): %s\n%s%s%s", err->text, err->hint, err->hint[0] ? "\n" : "", "");
	return false;
}

void rwkv_set_print_errors(struct rwkv_context *ctx, bool print)
{
	*(ctx ? &ctx->print_errors : &print_errors) = print;
}

bool rwkv_get_print_errors(const struct rwkv_context *ctx)
{
	return ctx ? ctx->print_errors : print_errors;
}

enum rwkv_error_flags rwkv_get_last_error(struct rwkv_context *ctx)
{
	enum rwkv_error_flags *from = ctx ? &ctx->last_error : &last_error, was = *from;

	*from = RWKV_ERROR_NONE;
	return was;
}

/* -- contexts -------------------------------------------------------------------------------- */

static void leave(struct shared_model *shared)
{
	if (shared && atomic_fetch_sub(&shared->users, 1) == 1) {
		model_close(shared->model);
		free(shared);
	}
}

void rwkv_free(struct rwkv_context *ctx)
{
	if (!ctx)
		return;
	run_close(ctx->run);
	leave(ctx->shared);
	free(ctx->initial);
	free(ctx->state);
	free(ctx);
}

/* Takes a share of the model over, whether it works out or not. */
static struct rwkv_context *new_context(struct shared_model *shared, uint32_t n_threads, struct err *err)
{
	struct run_config cfg = { .chunk_len = CHUNK_LEN,
				  .threads = n_threads < 256 ? (int)n_threads : 256,
				  .exact_chunks = true };
	struct rwkv_context *ctx = calloc(1, sizeof *ctx);
	size_t bytes = model_info(shared->model)->state_floats * sizeof(float);
	int rc;

	if (!ctx) {
		leave(shared);
		failed(NULL, -ERR_NOMEM, err);
		return NULL;
	}
	ctx->shared = shared;
	ctx->print_errors = print_errors;
	rc = run_open(&ctx->run, shared->model, &cfg, err);
	if (!rc && !((ctx->initial = malloc(bytes)) && (ctx->state = malloc(bytes))))
		rc = err_set(err, ERR_NOMEM, "no memory for a state of %zu bytes", bytes);
	if (rc) {
		failed(NULL, rc, err);
		rwkv_free(ctx);
		return NULL;
	}
	memcpy(ctx->initial, run_state_flat(ctx->run), bytes);
	return ctx;
}

/* Version 5 is opened once more with the eps of rwkv.cpp: the version is only known then. */
static int open_model(struct model **out, const char *path, struct err *err)
{
	struct model_options options = { .ln_x_eps = RWKV_CPP_V5_EPS };
	int rc = model_open(out, path, NULL, err);

	if (rc || model_info(*out)->version[0] != '5')
		return rc;
	model_close(*out);
	return model_open(out, path, &options, err);
}

struct rwkv_context *rwkv_init_from_file(const char *path, uint32_t n_threads, uint32_t n_gpu_layers)
{
	struct shared_model *shared = calloc(1, sizeof *shared);
	struct err err = { .text = "out of memory" };
	int rc = shared ? open_model(&shared->model, path, &err) : -ERR_NOMEM;

	(void)n_gpu_layers;
	last_error = RWKV_ERROR_NONE;
	if (rc) {
		failed(NULL, rc, &err);
		free(shared);
		return NULL;
	}
	atomic_store(&shared->users, 1);
	return new_context(shared, n_threads, &err);
}

struct rwkv_context *rwkv_clone_context(struct rwkv_context *ctx, uint32_t n_threads)
{
	struct err err = { .text = "out of memory" };
	struct rwkv_context *clone;

	atomic_fetch_add(&ctx->shared->users, 1);
	clone = new_context(ctx->shared, n_threads, &err);
	if (clone)
		clone->print_errors = ctx->print_errors;
	return clone;
}

static const struct model_info *info_of(const struct rwkv_context *ctx)
{
	return model_info(ctx->shared->model);
}

/* -- the state's order ------------------------------------------------------------------------- */

/* Ours: per layer att_xx, recurrent part, ffn_xx. Theirs: ffn_xx, att_xx, recurrent part. */
static void to_ours(const struct model_info *info, float *ours, const float *theirs)
{
	size_t per_layer = info->state_floats / info->n_layer, width = info->n_embd, most = per_layer - width;

	for (size_t i = 0; i < info->n_layer; i++, ours += per_layer, theirs += per_layer) {
		memcpy(ours, theirs + width, most * sizeof *ours);
		memcpy(ours + most, theirs, width * sizeof *ours);
	}
}

static void to_theirs(const struct model_info *info, float *theirs, const float *ours)
{
	size_t per_layer = info->state_floats / info->n_layer, width = info->n_embd, most = per_layer - width;

	for (size_t i = 0; i < info->n_layer; i++, ours += per_layer, theirs += per_layer) {
		memcpy(theirs + width, ours, most * sizeof *ours);
		memcpy(theirs, ours + most, width * sizeof *ours);
	}
}

void rwkv_init_state(const struct rwkv_context *ctx, float *state)
{
	to_theirs(info_of(ctx), state, ctx->initial);
}

/* -- evaluation ---------------------------------------------------------------------------------- */

static bool eval(struct rwkv_context *ctx, const uint32_t *tokens, size_t n, const float *state_in, float *state_out,
		 float *logits_out)
{
	struct run_call call = { .tokens = tokens, .n = n, .prefill = n > 1, .no_logits = !logits_out };
	struct err err = { 0 };
	int rc;

	ctx->last_error = RWKV_ERROR_NONE;
	if (state_in)
		to_ours(info_of(ctx), ctx->state, state_in);
	run_state_set(ctx->run, state_in ? ctx->state : ctx->initial);
	rc = run_forward(ctx->run, &call, &err);
	if (rc)
		return failed(ctx, rc, &err);
	if (state_out)
		to_theirs(info_of(ctx), state_out, run_state_flat(ctx->run));
	if (logits_out)
		memcpy(logits_out, run_logits(ctx->run), info_of(ctx)->n_vocab * sizeof *logits_out);
	return true;
}

bool rwkv_eval(struct rwkv_context *ctx, uint32_t token, const float *state_in, float *state_out, float *logits_out)
{
	return eval(ctx, &token, 1, state_in, state_out, logits_out);
}

bool rwkv_eval_sequence(struct rwkv_context *ctx, const uint32_t *tokens, size_t n, const float *state_in,
			float *state_out, float *logits_out)
{
	struct err err;

	if (!n)
		return failed(ctx, err_set(&err, ERR_USAGE, "a sequence of no tokens"), &err);
	return tokens ? eval(ctx, tokens, n, state_in, state_out, logits_out) : true; /* there is nothing to prepare */
}

bool rwkv_eval_sequence_in_chunks(struct rwkv_context *ctx, const uint32_t *tokens, size_t n, size_t chunk_size,
				  const float *state_in, float *state_out, float *logits_out)
{
	struct err err;

	if (!chunk_size)
		return failed(ctx, err_set(&err, ERR_USAGE, "chunks of no tokens"), &err);
	return rwkv_eval_sequence(ctx, tokens, n, state_in, state_out, logits_out); /* cut by the runtime itself */
}

/* -- sizes ------------------------------------------------------------------------------------- */

size_t rwkv_get_n_vocab(const struct rwkv_context *ctx)
{
	return info_of(ctx)->n_vocab;
}

size_t rwkv_get_n_embed(const struct rwkv_context *ctx)
{
	return info_of(ctx)->n_embd;
}

size_t rwkv_get_n_layer(const struct rwkv_context *ctx)
{
	return info_of(ctx)->n_layer;
}

size_t rwkv_get_state_len(const struct rwkv_context *ctx)
{
	return info_of(ctx)->state_floats;
}

size_t rwkv_get_logits_len(const struct rwkv_context *ctx)
{
	return info_of(ctx)->n_vocab;
}

uint32_t rwkv_get_state_buffer_element_count(const struct rwkv_context *ctx)
{
	return (uint32_t)rwkv_get_state_len(ctx);
}

uint32_t rwkv_get_logits_buffer_element_count(const struct rwkv_context *ctx)
{
	return (uint32_t)rwkv_get_logits_len(ctx);
}

/* -- files -------------------------------------------------------------------------------------- */

bool rwkv_quantize_model_file(const char *from, const char *to, const char *format_name)
{
	struct err err = { 0 };
	int rc = ggmf_quantise(from, to, format_name, &err);

	last_error = RWKV_ERROR_NONE;
	return rc ? failed(NULL, rc, &err) : true;
}

const char *rwkv_get_system_info_string(void)
{
	return cpu_features_name();
}
