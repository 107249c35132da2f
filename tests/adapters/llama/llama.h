/* llama.h - a stand-in for llama.cpp's header: the part of its API that the test programs use, for machines without it.
 * What it declares is compared with the adapter's own declarations by llama_types.c, as the real header is. */
#ifndef RWKVMON_TESTS_LLAMA_H
#define RWKVMON_TESTS_LLAMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LLAMA_STAND_IN

struct llama_model;
struct llama_vocab;
struct llama_context;
struct llama_batch_ext;
typedef struct llama_memory_i *llama_memory_t;
typedef int32_t llama_token;
typedef int32_t llama_pos;
typedef int32_t llama_seq_id;
typedef uint32_t llama_state_seq_flags;

enum llama_process_type { LLAMA_PROCESS_TYPE_ENCODE, LLAMA_PROCESS_TYPE_DECODE };
enum ggml_log_level { GGML_LOG_LEVEL_ERROR = 4 };

typedef struct llama_batch {
	int32_t n_tokens;
	llama_token *token;
	float *embd;
	llama_pos *pos;
	int32_t *n_seq_id;
	llama_seq_id **seq_id;
	int8_t *logits;
} llama_batch;

struct llama_embd {
	const float *data;
	size_t n_rows, n_embd;
};

struct llama_model_params {
	int unused;
};

struct llama_context_params {
	uint32_t n_ctx, n_seq_max;
	int32_t n_threads, n_threads_batch;
};

void ggml_backend_load_all(void);
void llama_log_set(void (*log)(enum ggml_log_level, const char *, void *), void *user);
void llama_backend_init(void);
struct llama_model_params llama_model_default_params(void);
struct llama_context_params llama_context_default_params(void);
struct llama_model *llama_model_load_from_file(const char *path, struct llama_model_params params);
void llama_model_free(struct llama_model *model);
struct llama_context *llama_init_from_model(struct llama_model *model, struct llama_context_params params);
struct llama_batch llama_batch_get_one(llama_token *tokens, int32_t n);

#define FUNCTION(name, returns, arguments) returns llama_##name arguments;
#define WATCHED FUNCTION
#define SEQUENCES(prefix, owner)                                                                                       \
	bool llama_##prefix##_seq_rm(owner, llama_seq_id, llama_pos, llama_pos);                                       \
	void llama_##prefix##_seq_cp(owner, llama_seq_id, llama_seq_id, llama_pos, llama_pos);                         \
	void llama_##prefix##_seq_keep(owner, llama_seq_id);                                                           \
	void llama_##prefix##_seq_add(owner, llama_seq_id, llama_pos, llama_pos, llama_pos);                           \
	void llama_##prefix##_seq_div(owner, llama_seq_id, llama_pos, llama_pos, int);
#include "../../../adapters/llama_cpp/functions.def"
#undef FUNCTION
#undef WATCHED
#undef SEQUENCES
struct llama_batch_ext *llama_batch_ext_init(struct llama_context *ctx);

#endif
