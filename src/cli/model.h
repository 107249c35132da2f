/* model.h - the model and the state that a command line names. */
#ifndef RWKVMON_CLI_MODEL_H
#define RWKVMON_CLI_MODEL_H

#include "runtime/run.h"
#include "spec/options.h"

/* --model in --strategy; without --model the one that is built in. */
int cli_model_open(struct model **out, const struct options *opts, struct err *err);

/* Files of up to so many bytes are checked before they are used: it takes a second at most. */
enum { MODEL_CHECK_BYTES = 1 << 30 };

/* The zip of a .pth has a CRC-32 for each storage; Python does not look at them. How many are wrong is returned, and
 * the first is named on standard error unless --quiet; 0 for a file of more than `most_bytes`, which takes long. */
size_t cli_model_tell_damaged(const struct options *opts, uint64_t most_bytes);

/* A stream through the model with --threads, starting from --state when that is given. */
int cli_run_open(struct run **out, const struct model *m, const struct options *opts, size_t chunk_len,
		 struct err *err);

/* What people call it: the file's name without folder and ending. */
void cli_model_name(char *out, size_t bytes, const char *path);

/* The state as run_load_state reads it: raw float32, tensors in the official order. */
int cli_state_save(const struct run *run, const struct model *m, const char *path, struct err *err);

#endif
