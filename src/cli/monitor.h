/* monitor.h - the settings of a command line, for rwkvmon_open. */
#ifndef RWKVMON_CLI_MONITOR_H
#define RWKVMON_CLI_MONITOR_H

#include "base/err.h"
#include "spec/options.h"

#include <rwkvmon.h>

/* The rows' presets, over them the environment, over that the command line. `why` has RWKVMON_ERROR_BYTES. */
int monitor_configure(struct rwkvmon_config *cfg, const struct options *opts, char *why);

/* What the library said, in two lines, as an error of ours; 0 when rc is 0. */
int monitor_said(struct err *err, int rc, char *why);

/* Closes the handle, and says on standard error what receivers of alarms missed. A log that could not be written is an
 * error; so is a critical alarm that is lost for good. */
int monitor_close(rwkvmon *mon, struct rwkvmon_totals *totals, struct err *err);

#endif
