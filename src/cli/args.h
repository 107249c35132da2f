/* args.h - the command line into struct options, and the table into help. */
#ifndef RWKVMON_CLI_ARGS_H
#define RWKVMON_CLI_ARGS_H

#include "base/buf.h"
#include "base/err.h"
#include "spec/options.h"

/* argv[0] is the first word after the command. *opts points into argv; options and
 * arguments may be mixed, "--" ends the options, "--name=value" is "--name value". */
int args_parse(struct options *opts, enum command_id command, int argc, char **argv, struct err *err);
void args_free(struct options *opts);

/* Names the command of a word; COMMAND_COUNT and an error with "did you mean" otherwise. */
enum command_id args_command(const char *word, struct err *err);

void args_help(struct buf *out, enum lang lang);				  /* all commands */
void args_command_help(struct buf *out, enum command_id command, enum lang lang); /* one command's options */

/* From --lang or the locale; English when neither says. */
enum lang args_lang(const char *given);

#endif
