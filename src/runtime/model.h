/* model.h - opens the weights of one RWKV model for running it.
 *
 * Ownership  model_open creates, model_close destroys. The file stays mapped while the
 *            model is open; weights are used in place, in their own type, and are copied only when the file's layout
 *            does not allow that.
 * Threads    read-only once open: any number of runs on any threads may share a model.
 * Cost       opening touches headers and small tensors; the rest is paged in by use.
 * Errors     negative codes with file, tensor, what was found, what was expected.
 * Units      sizes named _bytes are bytes, all others elements.
 */
#ifndef RWKVMON_RUNTIME_MODEL_H
#define RWKVMON_RUNTIME_MODEL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model; /* opaque; runtime/weights.h for the forward passes */

struct model_info {
	const char *version; /* "4", "5.0", "5.1", "5.2", "6", "7", "7a", "7b" */
	size_t n_layer, n_embd, n_att, n_head, head_size, n_ffn, n_vocab; /* v4 has no heads: 0 */
	uint64_t parameters;                                              /* elements of all tensors in use */
	uint64_t weight_bytes;                                            /* memory of the weights, mapped or copied */
	uint64_t copied_bytes; /* of these, the bytes that are not the file's own pages */
	const char *dtype;     /* of most weights as they are kept: "fp32", "fp16", "bf16", "int8" */
	const char *strategy;  /* as given, spaces put right */
	uint64_t load_ns;      /* wall time of model_open */
	size_t state_floats;
	size_t context; /* most tokens of a sequence; 0: any number */
};

/* RWKV-7b keeps something of every token. 4,096 is what published ones were trained with. */
enum { MODEL_CONTEXT_MAX = 4096 };

/* A zeroed struct is the default.
 *
 * Strategies (strategy.h): every layer must be on the cpu. Sums are always fp32; the dtype is that of the weights:
 * "fp32" keeps each in the file's own type, which loses nothing, "fp16" and "bf16" round them, "i8" quantises the large
 * matrices as the official package does. A file that holds int8 (int8.h) is used as it is and only under a strategy
 * with i8. */
struct model_options {
	const char *strategy; /* NULL = "cpu fp32", for a file of int8 "cpu fp32i8" */
	bool skip_zeros;      /* a transposed copy of ffn.value is kept, and a single token reads only weights whose
			       * activation is not 0: faster if most are 0, and always exact */
	float ln_x_eps;       /* of the group norm in v5-v7; 0 = the official 64e-5. rwkv.cpp computes v5 with 1e-5 */
};

/* *out is NULL on error; options may be NULL. */
int model_open(struct model **out, const char *path, const struct model_options *options, struct err *err);

/* The same over bytes that stay valid and unchanged until model_close. `label` stands for
 * the path in messages. */
int model_open_memory(struct model **out, const void *bytes, size_t n, const char *label,
		      const struct model_options *options, struct err *err);

/* The trained byte-level RWKV-7 that is linked into every program. */
int model_open_embedded(struct model **out, const struct model_options *options, struct err *err);

void model_close(struct model *m); /* NULL is fine */

const struct model_info *model_info(const struct model *m);

/* The path or label it was opened with. */
const char *model_label(const struct model *m);

#endif
