/* rwkv.h - the C API of rwkv.cpp (https://github.com/RWKV/rwkv.cpp), as a program that uses it sees it: names, values
 * and layouts are that library's, the words are ours. Two libraries of this folder offer it:
 *
 *     dropin  our runtime behind it: any model file that rwkvmon reads
 *     shim    the real library behind it, watched
 *
 * Ownership  rwkv_init_from_file and rwkv_clone_context create a context, rwkv_free destroys it; clones share the
 *            model and outlive the context they came from. Buffers belong to the caller.
 * Threads    one call at a time per context, on any thread; contexts are independent of each other.
 * Errors     false or NULL, and rwkv_get_last_error(ctx), or (NULL) for loading; both clear it. Unless told
 *            otherwise by rwkv_set_print_errors, a message also goes to standard error.
 * Units      lengths count floats.
 *
 * State, one layer after the other: version 4 ffn_xx, att_xx, aa, bb, pp (n_embed each); later ones ffn_xx, att_xx
 * (n_embed each), then a matrix (head size)^2 per head.
 */
#ifndef RWKVMON_ADAPTERS_RWKV_H
#define RWKVMON_ADAPTERS_RWKV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RWKV_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* What was done, above, and what went wrong, below. */
enum rwkv_error_flags {
	RWKV_ERROR_NONE = 0,

	RWKV_ERROR_ARGS = 0x100,
	RWKV_ERROR_FILE = 0x200,
	RWKV_ERROR_MODEL = 0x300,
	RWKV_ERROR_MODEL_PARAMS = 0x400,
	RWKV_ERROR_GRAPH = 0x500,
	RWKV_ERROR_CTX = 0x600,

	RWKV_ERROR_ALLOC = 1,
	RWKV_ERROR_FILE_OPEN = 2,
	RWKV_ERROR_FILE_STAT = 3,
	RWKV_ERROR_FILE_READ = 4,
	RWKV_ERROR_FILE_WRITE = 5,
	RWKV_ERROR_FILE_MAGIC = 6,
	RWKV_ERROR_FILE_VERSION = 7,
	RWKV_ERROR_DATA_TYPE = 8,
	RWKV_ERROR_UNSUPPORTED = 9,
	RWKV_ERROR_SHAPE = 10,
	RWKV_ERROR_DIMENSION = 11,
	RWKV_ERROR_KEY = 12,
	RWKV_ERROR_DATA = 13,
	RWKV_ERROR_PARAM_MISSING = 14,
};

struct rwkv_context;

/* ctx NULL: what holds while no context is there, and for contexts made later. */
RWKV_API void rwkv_set_print_errors(struct rwkv_context *ctx, bool print_errors);
RWKV_API bool rwkv_get_print_errors(const struct rwkv_context *ctx);
RWKV_API enum rwkv_error_flags rwkv_get_last_error(struct rwkv_context *ctx);

RWKV_API struct rwkv_context *rwkv_init_from_file(const char *path, uint32_t n_threads, uint32_t n_gpu_layers);
RWKV_API struct rwkv_context *rwkv_clone_context(struct rwkv_context *ctx, uint32_t n_threads);
RWKV_API void rwkv_free(struct rwkv_context *ctx); /* NULL is fine */

/* state_in NULL: a new sequence. state_out, logits_out: written unless NULL; state_out may be state_in. Without
 * logits_out the logits are not computed. tokens NULL: prepares only. */
RWKV_API bool rwkv_eval(struct rwkv_context *ctx, uint32_t token, const float *state_in, float *state_out,
			float *logits_out);
RWKV_API bool rwkv_eval_sequence(struct rwkv_context *ctx, const uint32_t *tokens, size_t n, const float *state_in,
				 float *state_out, float *logits_out);
RWKV_API bool rwkv_eval_sequence_in_chunks(struct rwkv_context *ctx, const uint32_t *tokens, size_t n,
					   size_t chunk_size, const float *state_in, float *state_out,
					   float *logits_out);

RWKV_API size_t rwkv_get_n_vocab(const struct rwkv_context *ctx);
RWKV_API size_t rwkv_get_n_embed(const struct rwkv_context *ctx);
RWKV_API size_t rwkv_get_n_layer(const struct rwkv_context *ctx);
RWKV_API size_t rwkv_get_state_len(const struct rwkv_context *ctx);
RWKV_API size_t rwkv_get_logits_len(const struct rwkv_context *ctx);
RWKV_API uint32_t rwkv_get_state_buffer_element_count(const struct rwkv_context *ctx); /* older names of the same */
RWKV_API uint32_t rwkv_get_logits_buffer_element_count(const struct rwkv_context *ctx);

/* The state a new sequence starts from. */
RWKV_API void rwkv_init_state(const struct rwkv_context *ctx, float *state);

RWKV_API bool rwkv_quantize_model_file(const char *from, const char *to, const char *format_name);
RWKV_API const char *rwkv_get_system_info_string(void);

#ifdef __cplusplus
}
#endif

#endif
