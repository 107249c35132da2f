/* strategy.h - the text that says where each layer of a model is computed and in what type.
 *
 *     SEGMENT [-> SEGMENT]...     SEGMENT = DEVICE DTYPE[i8] [*LAYERS[+]]
 *     cpu fp32        cuda fp16i8 *10 -> cpu fp32        cuda fp16i8 *10+
 *
 * A model has n_layer + 1 layers, the last being ln_out and head. Segments without a count
 * share what is left; layers that no segment takes go to the last segment, or are streamed through the one marked "+".
 * Device cpu, cuda, cuda:N, mps or dml; dtype fp32, fp16 or bf16; i4 and i3 are read and mean nothing. Source: rwkv pip
 * package, rwkv/model.py.
 *
 * All of it is understood, so that foreign strategies can be explained; the runtime here
 * runs those whose every layer is on the cpu (model.h).
 */
#ifndef RWKVMON_RUNTIME_STRATEGY_H
#define RWKVMON_RUNTIME_STRATEGY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum strategy_dtype { STRATEGY_FP32, STRATEGY_FP16, STRATEGY_BF16 };

struct strategy_layer {
	char device[16];
	enum strategy_dtype dtype;
	bool int8;   /* weights as int8 */
	bool stream; /* weights are moved to the device for every call */
};

struct strategy {
	char text[256]; /* with exactly one space around each "->" */
	size_t n;       /* n_layer + 1 */
	struct strategy_layer *layers;
	int rescale; /* 6 when fp16 occurs: weights of every 6th block are halved once more; otherwise 0 */
};

/* strategy_free(*out) when it returned 0. */
int strategy_parse(struct strategy *out, const char *text, size_t n_layer, struct err *err);
void strategy_free(struct strategy *s);

/* "fp32", "fp16", "bf16" */
const char *strategy_dtype_name(enum strategy_dtype d);

#endif
