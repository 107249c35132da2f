/* llama_api.h - what the adapter needs of llama.cpp's C API, declared here so that one build serves every version of
 * it, and none has to be there when it is built. tests/adapters/llama_types.c compares it with a real llama.h.
 *
 * Versions  since September 2024, when llama.cpp learnt RWKV. Functions that a version has not are NULL (library.h). */
#ifndef RWKVMON_ADAPTERS_LLAMA_API_H
#define RWKVMON_ADAPTERS_LLAMA_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct llama_model;
struct llama_vocab;
struct llama_context;
struct llama_memory_i;
struct llama_batch_ext;

typedef int32_t llama_token;
typedef int32_t llama_pos;
typedef int32_t llama_seq_id;

struct llama_batch {
	int32_t n_tokens;
	llama_token *token; /* (n_tokens), as all that follow; NULL: embeddings are fed */
	float *embd;
	llama_pos *pos;
	int32_t *n_seq_id;
	llama_seq_id **seq_id; /* (n_tokens, n_seq_id[i]); NULL: sequence 0 */
	int8_t *logits;        /* 1: this token's logits are wanted; NULL: the last one's alone */
};

struct llama_embd {
	const float *data;
	size_t n_rows, n_embd;
};

#endif
