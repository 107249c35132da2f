/* model.h - the model a command line names: a file, or the one that is built in. */
#ifndef RWKVMON_CLI_MODEL_H
#define RWKVMON_CLI_MODEL_H

#include "runtime/model.h"

/* path NULL: the built-in model. */
int cli_model_open(struct model **out, const char *path, struct err *err);

/* What people call it: the file's name without folder and ending. */
void cli_model_name(char *out, size_t bytes, const char *path);

#endif
