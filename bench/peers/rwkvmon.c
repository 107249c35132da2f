/* Our runtime behind serve.h; the option is a strategy. */
#include "serve.h"

#include "runtime/run.h"

#include <stdio.h>

static struct model *model;
static struct run *stream;

int engine_open(const char *path, int threads, const char *option)
{
	struct err err = { 0 };

	if (model_open(&model, path, &(struct model_options){ .strategy = *option ? option : NULL }, &err) ||
	    run_open(&stream, model, &(struct run_config){ .threads = threads }, &err))
		return fprintf(stderr, "%s\n", err.text), 1;
	return 0;
}

int engine_feed(const uint32_t *tokens, size_t n)
{
	struct err err = { 0 };

	if (run_forward(stream, &(struct run_call){ .tokens = tokens, .n = n, .prefill = n > 1 }, &err))
		return fprintf(stderr, "%s\n", err.text), 1;
	return 0;
}

const float *engine_logits(size_t *n)
{
	*n = model_info(model)->n_vocab;
	return run_logits(stream);
}

size_t engine_weight_bytes(void)
{
	return model_info(model)->weight_bytes;
}

int engine_quantise(const char *from, const char *to, const char *type)
{
	(void)from, (void)to, (void)type;
	return 1;
}
