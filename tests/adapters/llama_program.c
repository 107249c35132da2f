/* A program written for llama.cpp: a prompt in one batch, then one token at a time, then a second conversation.
 *
 *     llama_program MODEL.gguf LOGITS_OUT */
#include <ggml-backend.h>
#include <llama.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROMPT = 20, TOKENS = 200 };

static void silent(enum ggml_log_level level, const char *text, void *user)
{
	(void)user;
	if (level == GGML_LOG_LEVEL_ERROR)
		fputs(text, stderr);
}

static void feed(struct llama_context *ctx, llama_token *tokens, int n, FILE *out, size_t vocab)
{
	const float *logits;

	if (llama_decode(ctx, llama_batch_get_one(tokens, n)))
		exit(3);
	logits = llama_get_logits_ith(ctx, -1);
	if (!logits || fwrite(logits, sizeof *logits, vocab, out) != vocab)
		exit(4);
}

int main(int argc, char **argv)
{
	struct llama_context_params cp = llama_context_default_params();
	llama_token tokens[TOKENS];
	struct llama_model *model;
	struct llama_context *ctx;
	size_t vocab;
	FILE *out;

	if (argc != 3)
		return 2;
	llama_log_set(silent, NULL);
	ggml_backend_load_all();
	llama_backend_init();
	model = llama_model_load_from_file(argv[1], llama_model_default_params());
	cp.n_ctx = 512;
	cp.n_threads = cp.n_threads_batch = 1;
	ctx = model ? llama_init_from_model(model, cp) : NULL;
	out = fopen(argv[2], "wb");
	if (!ctx || !out)
		return 1;
	vocab = (size_t)llama_vocab_n_tokens(llama_model_get_vocab(model));
	for (int i = 0; i < TOKENS; i++)
		tokens[i] = 32 + i * 7 % 90;
	for (int round = 0; round < 2; round++) {
		feed(ctx, tokens, PROMPT, out, vocab);
		for (int i = PROMPT; i < TOKENS; i++)
			feed(ctx, tokens + i, 1, out, vocab);
		llama_memory_clear(llama_get_memory(ctx), true);
	}
	llama_free(ctx);
	llama_model_free(model);
	return fclose(out) != 0;
}
