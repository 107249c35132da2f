/* commands.h - one function per command: 0, or a negative ERR code with *err filled.
 *
 * A command writes its answer to standard output and everything else to standard error. */
#ifndef RWKVMON_CLI_COMMANDS_H
#define RWKVMON_CLI_COMMANDS_H

#include "base/err.h"
#include "spec/options.h"

int command_run(const struct options *opts, struct err *err);
int command_chat(const struct options *opts, struct err *err);
int command_eval(const struct options *opts, struct err *err);
int command_convert(const struct options *opts, struct err *err);
int command_tune(const struct options *opts, struct err *err);
int command_fleet(const struct options *opts, struct err *err);
int command_ship(const struct options *opts, struct err *err);
int command_serve(const struct options *opts, struct err *err);
int command_doctor(const struct options *opts, struct err *err);
int command_export(const struct options *opts, struct err *err);
int command_analyze(const struct options *opts, struct err *err);
int command_log(const struct options *opts, struct err *err);
int command_proxy(const struct options *opts, struct err *err);
int command_rules(const struct options *opts, struct err *err);
int command_watch(const struct options *opts, struct err *err);
int command_compare(const struct options *opts, struct err *err);
int command_forecast(const struct options *opts, struct err *err);
int command_diagnose(const struct options *opts, struct err *err);

#endif
