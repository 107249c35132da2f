/* llama.cpp behind serve.h. */
#include "serve.h"

#include <ggml-backend.h>
#include <llama.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 };

static struct llama_model *model;
static struct llama_context *context;
static llama_pos at;
static size_t vocab;

static void quiet(enum ggml_log_level level, const char *text, void *user)
{
	(void)user;
	if (level == GGML_LOG_LEVEL_ERROR)
		fputs(text, stderr);
}

int engine_open(const char *path, int threads, const char *option)
{
	struct llama_model_params mp = llama_model_default_params();
	struct llama_context_params cp = llama_context_default_params();

	(void)option;
	llama_log_set(quiet, NULL);
	llama_backend_init();
	model = llama_model_load_from_file(path, mp);
	if (!model)
		return 1;
	cp.n_ctx = 512;
	cp.n_batch = cp.n_ubatch = CHUNK;
	cp.n_threads = cp.n_threads_batch = threads;
	cp.no_perf = true;
	context = llama_init_from_model(model, cp);
	vocab = (size_t)llama_vocab_n_tokens(llama_model_get_vocab(model));
	return !context;
}

int engine_feed(const uint32_t *tokens, size_t n)
{
	struct llama_batch batch = llama_batch_init((int32_t)n, 0, 1);
	int rc;

	batch.n_tokens = (int32_t)n;
	for (size_t i = 0; i < n; i++) {
		batch.token[i] = (llama_token)tokens[i];
		batch.pos[i] = at++;
		batch.n_seq_id[i] = 1;
		batch.seq_id[i][0] = 0;
		batch.logits[i] = i + 1 == n;
	}
	rc = llama_decode(context, batch);
	llama_batch_free(batch);
	return rc;
}

const float *engine_logits(size_t *n)
{
	*n = vocab;
	return llama_get_logits_ith(context, -1);
}

size_t engine_weight_bytes(void)
{
	return 0;
}

int engine_quantise(const char *from, const char *to, const char *type)
{
	struct llama_model_quantize_params p = llama_model_quantize_default_params();

	if (strcmp(type, "Q8_0"))
		return 1;
	llama_log_set(quiet, NULL);
	llama_backend_init();
	p.nthread = 1;
	p.ftype = LLAMA_FTYPE_MOSTLY_Q8_0;
	return (int)llama_model_quantize(from, to, &p);
}
