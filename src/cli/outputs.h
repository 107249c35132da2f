/* outputs.h - keeps a command from writing over what it reads, and two results into one file.
 *
 * Errors  ERR_USAGE names the option and the file, ERR_WRITE a result whose folder is not there; nothing was opened or
 *         written.
 */
#ifndef RWKVMON_CLI_OUTPUTS_H
#define RWKVMON_CLI_OUTPUTS_H

#include "base/err.h"
#include "spec/options.h"

int outputs_check(const struct options *opts, struct err *err);
/* Of a state that is saved while the command runs. */
int outputs_check_state(const struct options *opts, const char *path, struct err *err);

#endif
