/* effects.h - refuses options that could have no effect where they stand: they were not meant so.
 *
 * Only options of the command line are looked at: variables and a file of settings serve many commands. */
#ifndef RWKVMON_CLI_EFFECTS_H
#define RWKVMON_CLI_EFFECTS_H

#include "base/err.h"
#include "spec/options.h"

int effects_check(const struct options *opts, enum command_id command, struct err *err);

#endif
