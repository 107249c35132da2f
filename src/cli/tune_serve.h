/* tune_serve.h - the process that opens a model and answers how long tokens took.
 *
 * That of the built-in runtime is this program's own child; that of the package rwkv is a Python that runs
 * python/rwkvmon/tune_bench.py. Both end when they are told to, or when the asking side is gone.
 */
#ifndef RWKVMON_CLI_TUNE_SERVE_H
#define RWKVMON_CLI_TUNE_SERVE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_model {
	const char *path, *strategy; /* path NULL: the built-in model; strategy NULL: as the file has it */
	const char *python;          /* runs the package rwkv; NULL: the built-in runtime */
	bool skip_zeros;
	const uint32_t *token; /* (n): what is fed when time is measured; none: nothing will be */
	size_t n;
};

/* Never return. */
_Noreturn void tune_serve(const struct bench_model *m, int ask, int answer);
_Noreturn void tune_serve_python(const struct bench_model *m, int ask, int answer);

/* The strategies that are worth trying with the package rwkv, one a line; the first is the most exact. */
int tune_python_strategies(struct buf *out, const char *python, const char *path, struct err *err);

#endif
