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

#include "cli/tune_serve.h"
#include "cli/tune_wire.h"

#include <sys/types.h>

struct bench {
	pid_t pid; /* 0: none */
	int ask, answer;
	double memory_mb;       /* resident after the first tokens */
	uint32_t vocab;         /* known of Python alone */
	char dtype[WIRE_DTYPE]; /* too */
	char why[WIRE_WHY];     /* it cannot be opened: why */
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

/* Feeds a token, and gets the logits (vocab) after it. Of Python alone; false when the process failed. */
bool bench_predict(struct bench *b, uint32_t token, float *logits);

#endif
