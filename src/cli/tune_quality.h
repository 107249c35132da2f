/* tune_quality.h - what quantising does to a model's predictions: a text by its own weights, on which strategies are
 * compared.
 *
 * The text is written once, by the file's own weights (of the package rwkv: by the first strategy that can be opened).
 * Every strategy is fed the same tokens from the same start.
 */
#ifndef RWKVMON_CLI_TUNE_QUALITY_H
#define RWKVMON_CLI_TUNE_QUALITY_H

#include "cli/tune_bench.h"

enum { BENCH_STRATEGIES = 8, BENCH_TOKENS = 256 };

/* How a strategy's predictions differ from those of the file's own weights, over text that these wrote. */
struct bench_quality {
	double kl, kl_high, top1; /* NAN: unknown */
	char dtype[8];            /* of most weights; "" when it cannot be opened */
	char why[WIRE_WHY];       /* then: why */
};

struct bench_text {
	uint32_t token[BENCH_TOKENS]; /* (n): written by the file's own weights; what is fed when time is measured */
	size_t n;
	char dtype[WIRE_DTYPE]; /* of the file's own weights */
	struct bench_quality of[BENCH_STRATEGIES];
	struct err err; /* code 0: the rest is valid */
};

/* Draws text for `seconds` at most, and compares the n strategies on it; in a process of its own. `how` says which
 * model and runtime. */
int bench_text_make(struct bench_text *out, const struct bench_model *how, const char *const *strategy, size_t n,
		    double seconds, struct err *err);

#endif
