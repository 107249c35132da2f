/* batches.h - what a call feeds: rows of (sequence, token), grouped by sequence, from either kind of batch.
 *
 * A struct llama_batch_ext cannot be looked into; what was added to it is remembered as it is added.
 *
 * Threads  the remembered batches: any; a batch is one thread's, as in llama.cpp. */
#ifndef RWKVMON_ADAPTERS_LLAMA_BATCHES_H
#define RWKVMON_ADAPTERS_LLAMA_BATCHES_H

#include "llama_api.h"

/* A token of a batch, once for every sequence that it is added to. */
struct row {
	llama_seq_id sequence;
	int32_t index; /* of the token in its batch */
	llama_token token;
	bool output; /* its logits are wanted */
};

/* Owned by its user: rows_free. Zeroed: none. */
struct rows {
	struct row *row; /* (n) */
	size_t n, cap;
	bool embeddings; /* there is a token that is an embedding: it cannot be watched */
	bool failed;     /* no memory: not all rows are here */
};

void rows_free(struct rows *rows);

/* The rows of a batch in place of those before. */
void rows_take(struct rows *rows, const struct llama_batch *batch);

/* The same of an extended one; none when nothing is known of it. */
void rows_take_extended(struct rows *rows, const struct llama_batch_ext *batch);

/* Brings the rows of a sequence together, in the order of its tokens. */
void rows_group(struct rows *rows);

/* What a program does to an extended batch. An index below 0 is a refusal and is ignored. */
void extended_add(const struct llama_batch_ext *batch, int32_t index, llama_seq_id sequence, llama_token token,
		  bool embedding);
void extended_add_sequence(const struct llama_batch_ext *batch, int32_t index, llama_seq_id sequence);
void extended_output(const struct llama_batch_ext *batch, int32_t index, bool output);
void extended_clear(const struct llama_batch_ext *batch);
void extended_free(const struct llama_batch_ext *batch);

#endif
