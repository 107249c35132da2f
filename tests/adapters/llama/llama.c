/* llama.c - a stand-in for libllama: a small recurrent network behind the functions that the adapter watches, with the
 * state written as llama.cpp writes it. It shows what the adapter makes of calls; what llama.cpp does is shown by
 * llama.cpp itself, where it is there (integration/llama_cpp_test.sh).
 *
 *     STAND_IN_OLD   only llama_decode, and the memory's functions under the name that they had until mid-2025 */
#include "llama.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 2, EMBD = 4, HEADS = 16, VOCAB = 256, SLOTS = 8, SHIFT = 2 * EMBD, HEADER = 20 };

struct slot {
	llama_pos end;
	float shift[LAYERS][SHIFT], wkv[LAYERS][HEADS];
};

struct llama_model {
	int unused;
};

struct llama_memory_i {
	struct slot slot[SLOTS];
};

struct llama_context {
	struct llama_memory_i memory;
	struct llama_model *model;
	uint32_t n_seq_max;
	float *logits; /* (n_tokens of the last call, VOCAB) */
};

struct item {
	llama_token token;
	llama_seq_id sequence[SLOTS];
	int n;
	bool output;
};

struct llama_batch_ext {
	struct item item[512];
	int32_t n;
};

void ggml_backend_load_all(void)
{
}
void llama_backend_init(void)
{
}

void llama_log_set(void (*log)(enum ggml_log_level, const char *, void *), void *user)
{
	(void)log;
	(void)user;
}

struct llama_model_params llama_model_default_params(void)
{
	return (struct llama_model_params){ 0 };
}

struct llama_context_params llama_context_default_params(void)
{
	return (struct llama_context_params){ .n_seq_max = 1 };
}

struct llama_model *llama_model_load_from_file(const char *path, struct llama_model_params params)
{
	(void)path;
	(void)params;
	return calloc(1, sizeof(struct llama_model));
}

void llama_model_free(struct llama_model *model)
{
	free(model);
}

struct llama_context *llama_init_from_model(struct llama_model *model, struct llama_context_params params)
{
	struct llama_context *ctx = calloc(1, sizeof *ctx);

	ctx->model = model;
	ctx->n_seq_max = params.n_seq_max;
	return ctx;
}

void llama_free(struct llama_context *ctx)
{
	free(ctx->logits);
	free(ctx);
}

/* -- what it is --------------------------------------------------------------------------------------- */

const struct llama_model *llama_get_model(const struct llama_context *ctx)
{
	return ctx->model;
}

static int32_t text(char *out, size_t bytes, const char *value)
{
	strncpy(out, value, bytes);
	return (int32_t)strlen(value);
}

int32_t llama_model_meta_val_str(const struct llama_model *model, const char *key, char *out, size_t bytes)
{
	(void)model;
	return text(out, bytes, strcmp(key, "general.name") ? "rwkv7" : "stand-in");
}

int32_t llama_model_n_layer(const struct llama_model *model)
{
	return model ? LAYERS : 0;
}

int32_t llama_model_n_embd(const struct llama_model *model)
{
	return model ? EMBD : 0;
}

const struct llama_vocab *llama_model_get_vocab(const struct llama_model *model)
{
	return (const void *)model;
}

int32_t llama_vocab_n_tokens(const struct llama_vocab *vocab)
{
	return vocab ? VOCAB : 0;
}

bool llama_model_is_recurrent(const struct llama_model *model)
{
	return model;
}

uint32_t llama_n_seq_max(const struct llama_context *ctx)
{
	return ctx->n_seq_max;
}

void llama_set_warmup(struct llama_context *ctx, bool on)
{
	(void)ctx;
	(void)on;
}

/* -- the network -------------------------------------------------------------------------------------- */

static void feed(struct slot *s, llama_token token)
{
	for (int l = 0; l < LAYERS; l++) {
		for (int i = 0; i < SHIFT; i++)
			s->shift[l][i] = 0.5f * s->shift[l][i] + sinf((float)(token * (i + 1 + l)));
		for (int i = 0; i < HEADS; i++)
			s->wkv[l][i] = 0.9f * s->wkv[l][i] + s->shift[l][i % SHIFT] * cosf((float)(token + i));
	}
	s->end++;
}

static void write_logits(const struct slot *s, float *out)
{
	for (int v = 0; v < VOCAB; v++)
		out[v] = 3 * sinf(s->wkv[LAYERS - 1][v % HEADS] * (float)(1 + v / HEADS));
}

static int32_t run(struct llama_context *ctx, const struct item *item, int32_t n)
{
	float *logits = realloc(ctx->logits, (size_t)n * VOCAB * sizeof *logits);

	ctx->logits = logits;
	for (int32_t i = 0; i < n; i++)
		for (int k = 0; k < item[i].n; k++) {
			struct slot *s = &ctx->memory.slot[item[i].sequence[k]];

			feed(s, item[i].token);
			if (item[i].output)
				write_logits(s, logits + (size_t)i * VOCAB);
		}
	return 0;
}

float *llama_get_logits(struct llama_context *ctx)
{
	return ctx->logits;
}

float *llama_get_logits_ith(struct llama_context *ctx, int32_t i)
{
	return ctx->logits + (size_t)i * VOCAB;
}

struct llama_batch llama_batch_get_one(llama_token *tokens, int32_t n)
{
	return (struct llama_batch){ .n_tokens = n, .token = tokens };
}

int32_t llama_decode(struct llama_context *ctx, struct llama_batch batch)
{
	struct item *item = calloc((size_t)batch.n_tokens, sizeof *item);
	int32_t rc;

	for (int32_t i = 0; i < batch.n_tokens; i++) {
		item[i].token = batch.token[i];
		item[i].output = batch.logits ? batch.logits[i] : i == batch.n_tokens - 1;
		item[i].n = batch.seq_id ? batch.n_seq_id[i] : 1;
		for (int k = 0; k < item[i].n; k++)
			item[i].sequence[k] = batch.seq_id ? batch.seq_id[i][k] : 0;
	}
	rc = run(ctx, item, batch.n_tokens);
	free(item);
	return rc;
}

/* -- a sequence's state --------------------------------------------------------------------------------- */

size_t llama_state_seq_get_size(struct llama_context *ctx, llama_seq_id sequence)
{
	(void)ctx;
	(void)sequence;
	return HEADER + 8 + (size_t)LAYERS * (12 + SHIFT * sizeof(float) + 12 + HEADS * sizeof(float));
}

static uint8_t *copy(uint8_t *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

static uint8_t *write_part(uint8_t *to, const float *values, uint64_t n)
{
	uint64_t bytes = n * sizeof *values;

	to = copy(to, &(int32_t){ 0 }, 4);
	to = copy(to, &bytes, 8);
	return copy(to, values, bytes);
}

size_t llama_state_seq_get_data(struct llama_context *ctx, uint8_t *out, size_t size, llama_seq_id sequence)
{
	const struct slot *s = &ctx->memory.slot[sequence];
	uint8_t *p = out;

	if (size < llama_state_seq_get_size(ctx, sequence))
		return 0;
	p = copy(p, &(int32_t[HEADER / 4]){ 1, s->end, 1, sequence, 7 }, HEADER);
	p = copy(p, &(uint32_t[2]){ 0, LAYERS }, 8);
	for (int l = 0; l < LAYERS; l++)
		p = write_part(p, s->shift[l], SHIFT);
	for (int l = 0; l < LAYERS; l++)
		p = write_part(p, s->wkv[l], HEADS);
	return (size_t)(p - out);
}

size_t llama_state_seq_set_data(struct llama_context *ctx, const uint8_t *bytes, size_t size, llama_seq_id sequence)
{
	struct slot *s = &ctx->memory.slot[sequence];
	const uint8_t *p = bytes + HEADER + 8;

	if (size < llama_state_seq_get_size(ctx, sequence))
		return 0;
	memcpy(&s->end, bytes + 4, 4);
	for (int l = 0; l < LAYERS; l++, p += 12 + sizeof s->shift[l])
		memcpy(s->shift[l], p + 12, sizeof s->shift[l]);
	for (int l = 0; l < LAYERS; l++, p += 12 + sizeof s->wkv[l])
		memcpy(s->wkv[l], p + 12, sizeof s->wkv[l]);
	return size;
}

/* All of them in a file. */
bool llama_state_save_file(struct llama_context *ctx, const char *path, const llama_token *tokens, size_t n)
{
	FILE *f = fopen(path, "wb");
	bool done = f && fwrite(&ctx->memory, sizeof ctx->memory, 1, f) == 1;

	(void)tokens;
	(void)n;
	return f && !fclose(f) && done;
}

bool llama_state_load_file(struct llama_context *ctx, const char *path, llama_token *tokens, size_t most, size_t *n)
{
	FILE *f = fopen(path, "rb");
	bool done = f && fread(&ctx->memory, sizeof ctx->memory, 1, f) == 1;

	(void)tokens;
	(void)most;
	*n = 0;
	return f && !fclose(f) && done;
}

/* -- the memory, under either name ------------------------------------------------------------------------ */

static void clear(struct llama_memory_i *m)
{
	*m = (struct llama_memory_i){ .slot = { { 0 } } };
}

static bool seq_rm(struct llama_memory_i *m, llama_seq_id sequence, llama_pos from, llama_pos to)
{
	if (from > 0 || to >= 0)
		return false; /* a recurrent state has no parts to remove */
	m->slot[sequence] = (struct slot){ 0 };
	return true;
}

static void seq_cp(struct llama_memory_i *m, llama_seq_id from, llama_seq_id to)
{
	m->slot[to] = m->slot[from];
}

static void seq_keep(struct llama_memory_i *m, llama_seq_id sequence)
{
	for (int i = 0; i < SLOTS; i++)
		if (i != sequence)
			m->slot[i] = (struct slot){ 0 };
}

#ifdef STAND_IN_OLD

void llama_kv_self_clear(struct llama_context *ctx)
{
	clear(&ctx->memory);
}

bool llama_kv_self_seq_rm(struct llama_context *ctx, llama_seq_id sequence, llama_pos from, llama_pos to)
{
	return seq_rm(&ctx->memory, sequence, from, to);
}

void llama_kv_self_seq_cp(struct llama_context *ctx, llama_seq_id from, llama_seq_id to, llama_pos p0, llama_pos p1)
{
	(void)p0;
	(void)p1;
	seq_cp(&ctx->memory, from, to);
}

void llama_kv_self_seq_keep(struct llama_context *ctx, llama_seq_id sequence)
{
	seq_keep(&ctx->memory, sequence);
}

#else

struct llama_memory_i *llama_get_memory(const struct llama_context *ctx)
{
	return (struct llama_memory_i *)&ctx->memory;
}

llama_pos llama_memory_seq_pos_max(struct llama_memory_i *m, llama_seq_id sequence)
{
	return m->slot[sequence].end - 1;
}

void llama_memory_clear(struct llama_memory_i *m, bool data)
{
	(void)data;
	clear(m);
}

bool llama_memory_seq_rm(struct llama_memory_i *m, llama_seq_id sequence, llama_pos from, llama_pos to)
{
	return seq_rm(m, sequence, from, to);
}

void llama_memory_seq_cp(struct llama_memory_i *m, llama_seq_id from, llama_seq_id to, llama_pos p0, llama_pos p1)
{
	(void)p0;
	(void)p1;
	seq_cp(m, from, to);
}

void llama_memory_seq_keep(struct llama_memory_i *m, llama_seq_id sequence)
{
	seq_keep(m, sequence);
}

void llama_memory_seq_add(struct llama_memory_i *m, llama_seq_id sequence, llama_pos from, llama_pos to, llama_pos by)
{
	(void)from;
	(void)to;
	m->slot[sequence].end += by;
}

/* -- extended batches --------------------------------------------------------------------------------------- */

struct llama_batch_ext *llama_batch_ext_init(struct llama_context *ctx)
{
	(void)ctx;
	return calloc(1, sizeof(struct llama_batch_ext));
}

void llama_batch_ext_free(struct llama_batch_ext *batch)
{
	free(batch);
}

void llama_batch_ext_clear(struct llama_batch_ext *batch)
{
	batch->n = 0;
}

int32_t llama_batch_ext_add_token(struct llama_batch_ext *batch, llama_seq_id sequence, llama_token token)
{
	batch->item[batch->n] = (struct item){ .token = token, .sequence = { sequence }, .n = 1 };
	return batch->n++;
}

bool llama_batch_ext_add_seq(struct llama_batch_ext *batch, int32_t i, llama_seq_id sequence)
{
	batch->item[i].sequence[batch->item[i].n++] = sequence;
	return true;
}

bool llama_batch_ext_set_output_logits(struct llama_batch_ext *batch, int32_t i, bool value)
{
	batch->item[i].output = value;
	return true;
}

int32_t llama_process(struct llama_context *ctx, int type, struct llama_batch_ext *batch)
{
	return type == LLAMA_PROCESS_TYPE_DECODE ? run(ctx, batch->item, batch->n) : -1;
}

#endif
