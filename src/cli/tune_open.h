/* tune_open.h - opens a model of the built-in runtime as a candidate of tune says. */
#ifndef RWKVMON_CLI_TUNE_OPEN_H
#define RWKVMON_CLI_TUNE_OPEN_H

#include "cli/tune_serve.h"
#include "runtime/run.h"

int tune_model_open(struct model **out, const struct bench_model *m, struct err *err);

#endif
