/* tune_bench.h - measures ways to run a model: in a process that opens it and is asked for short bursts.
 *
 * A process makes a model's memory measurable and gives it back; one that fails or is killed takes nobody with it.
 * Where its memory comes to lie makes a process steadily faster or slower than its twin by a few percent: each one lies
 * elsewhere, by chance, and what is to be known of a setting takes several.
 *
 * Ownership  bench_start creates, bench_stop ends and waits. The processes ignore an interrupt of the terminal; they
 * end when they are told to, or when this one is gone.
 */
#ifndef RWKVMON_CLI_TUNE_BENCH_H
#define RWKVMON_CLI_TUNE_BENCH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { BENCH_TEXT = 480, BENCH_STRATEGIES = 8, BENCH_TOKENS = 256 };

/* How a strategy's predictions differ from those of the file's own weights, over text that these wrote. */
struct bench_quality {
	double kl, kl_high, top1; /* NAN: unknown */
	char dtype[8];            /* of most weights; "" when it cannot be opened */
	char why[BENCH_TEXT];     /* then: why */
};

struct bench_text {
	uint32_t token[BENCH_TOKENS]; /* (n): written by the file's own weights; what is fed when time is measured */
	size_t n;
	char dtype[8]; /* of the file's own weights */
	struct bench_quality of[BENCH_STRATEGIES];
	struct err err; /* code 0: the rest is valid */
};

/* Draws text with the file's own weights for `seconds` at most, and compares the n strategies on it; in a process of
 * its own. `model` NULL: the built-in one. */
int bench_text_make(struct bench_text *out, const char *model, const char *const *strategy, size_t n, double seconds,
		    struct err *err);

struct bench {
	pid_t pid; /* 0: none */
	int ask, answer;
	double memory_mb;     /* resident after the first tokens */
	char why[BENCH_TEXT]; /* it cannot be opened: why */
};

struct bench_model {
	const char *path, *strategy;
	bool skip_zeros;
	const struct bench_text *text;
};

/* Fails only where no process can be made; a model that cannot be opened says why. */
int bench_start(struct bench *b, const struct bench_model *m, struct err *err);
void bench_stop(struct bench *b);

struct bench_burst {
	int threads;
	size_t chunk_len;
	bool prefill;   /* calls of chunk_len tokens; otherwise of one */
	uint32_t calls; /* at least 1 */
};

/* Nanoseconds per token: the median of single tokens, the mean of prompts; NAN when the process failed. */
double bench_run(struct bench *b, const struct bench_burst *burst);

#endif
