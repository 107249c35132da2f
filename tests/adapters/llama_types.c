/* llama_types.c - compiled, not run: llama.cpp's header declares what the adapter believes it does. Functions that this
 * version has not are left out by the build (LLAMA_SINCE: those of an older API that it has no more). */
#include <llama.h>

_Static_assert(sizeof(llama_token) == 4 && sizeof(llama_pos) == 4 && sizeof(llama_seq_id) == 4, "32 bits");
_Static_assert(sizeof(struct llama_batch) == 7 * sizeof(void *), "a count and six arrays");
_Static_assert(offsetof(struct llama_batch, token) == sizeof(void *), "first the tokens");
_Static_assert(offsetof(struct llama_batch, n_seq_id) == 4 * sizeof(void *), "behind embeddings and positions");
_Static_assert(offsetof(struct llama_batch, logits) == 6 * sizeof(void *), "at the end");

#define SAME(name, returns, arguments)                                                                                 \
	_Static_assert(__builtin_types_compatible_p(__typeof__(&llama_##name), returns(*) arguments), #name)

SAME(decode, int32_t, (struct llama_context *, struct llama_batch));
SAME(free, void, (struct llama_context *));
SAME(get_logits_ith, float *, (struct llama_context *, int32_t));
SAME(state_seq_get_data, size_t, (struct llama_context *, uint8_t *, size_t, llama_seq_id));
SAME(state_seq_set_data, size_t, (struct llama_context *, const uint8_t *, size_t, llama_seq_id));
SAME(state_set_data, size_t, (struct llama_context *, const uint8_t *, size_t));
SAME(state_save_file, bool, (struct llama_context *, const char *, const llama_token *, size_t));
SAME(state_load_file, bool, (struct llama_context *, const char *, llama_token *, size_t, size_t *));
SAME(state_seq_load_file, size_t,
     (struct llama_context *, const char *, llama_seq_id, llama_token *, size_t, size_t *));
SAME(memory_clear, void, (llama_memory_t, bool));
SAME(memory_seq_rm, bool, (llama_memory_t, llama_seq_id, llama_pos, llama_pos));
SAME(memory_seq_cp, void, (llama_memory_t, llama_seq_id, llama_seq_id, llama_pos, llama_pos));
SAME(memory_seq_pos_max, llama_pos, (llama_memory_t, llama_seq_id));
#ifdef LLAMA_HAS_PROCESS
SAME(batch_ext_add_token, int32_t, (struct llama_batch_ext *, llama_seq_id, llama_token));
SAME(batch_ext_add_embd, int32_t, (struct llama_batch_ext *, llama_seq_id, struct llama_embd));
SAME(batch_ext_set_output_logits, bool, (struct llama_batch_ext *, int32_t, bool));
_Static_assert(sizeof(struct llama_embd) == 3 * sizeof(void *), "passed by value");
_Static_assert(LLAMA_PROCESS_TYPE_DECODE == 1, "as the adapter has it");
#endif
