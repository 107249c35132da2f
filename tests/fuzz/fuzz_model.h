/* fuzz_model.h - bytes as a model file: open it, and run it when it opens. */
#ifndef RWKVMON_TESTS_FUZZ_MODEL_H
#define RWKVMON_TESTS_FUZZ_MODEL_H

#include "runtime/run.h"

#include <stdlib.h>
#include <string.h>

/* Every float that a pass can reach is reached: two tokens at once, then one with a tap. */
static inline void fuzz_run(const struct model *m)
{
	static const uint32_t tokens[] = { 0, 0, 0 };
	struct run_config cfg = { .chunk_len = 2 };
	struct run_call call = { .tokens = tokens, .n = 3 };
	struct run *run;

	if (run_open(&run, m, &cfg, NULL))
		return;
	run_forward(run, &call, NULL);
	run_close(run);
}

static inline int fuzz_model(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + !n); /* exact size: a byte too far is seen */
	struct model *m;
	struct err err = { 0 };

	if (!copy)
		return 0;
	memcpy(copy, data, n);
	if (!model_open_memory(&m, copy, n, "fuzz", NULL, &err)) {
		if (model_info(m)->n_layer <= 4)
			fuzz_run(m);
		model_close(m);
	} else if (!err.text[0]) {
		abort(); /* a refusal without words */
	}
	free(copy);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#endif
