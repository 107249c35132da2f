/* rwkv.cpp behind serve.h. The state goes in and out by the caller's buffer, as its API has it. */
#include "serve.h"

#include <rwkv.h>

#include <stdlib.h>

static struct rwkv_context *context;
static float *state, *logits;

int engine_open(const char *path, int threads, const char *option)
{
	(void)option;
	context = rwkv_init_from_file(path, (uint32_t)threads, 0);
	if (!context)
		return 1;
	state = calloc(rwkv_get_state_len(context), sizeof *state);
	logits = calloc(rwkv_get_logits_len(context), sizeof *logits);
	if (!state || !logits)
		return 1;
	rwkv_init_state(context, state);
	return 0;
}

int engine_feed(const uint32_t *tokens, size_t n)
{
	return n == 1 ? !rwkv_eval(context, *tokens, state, state, logits)
		      : !rwkv_eval_sequence(context, tokens, n, state, state, logits);
}

const float *engine_logits(size_t *n)
{
	*n = rwkv_get_logits_len(context);
	return logits;
}

size_t engine_weight_bytes(void)
{
	return 0;
}

int engine_quantise(const char *from, const char *to, const char *type)
{
	return !rwkv_quantize_model_file(from, to, type);
}
