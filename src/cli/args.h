/* args.h - parses the command line into struct options, and prints help from the table. */
#ifndef RWKVMON_CLI_ARGS_H
#define RWKVMON_CLI_ARGS_H

#include "base/buf.h"
#include "base/err.h"
#include "report/report.h"
#include "spec/options.h"
#include "spec/text.h"

/* argv[0] is the first word after the command. *opts points into argv and the environment; options and
 * arguments may be mixed, "--" ends the options, "--name=value" is "--name value". A setting whose option is not given
 * has the value of its variable (RWKVMON_LOG_KEEP), and an option without either the value in the file of --settings.
 */
int args_parse(struct options *opts, enum command_id command, int argc, char **argv, struct err *err);
void args_free(struct options *opts);

/* ERR_USAGE, with how this command names them, when no log is named. */
int args_need_log(const struct options *opts, struct err *err);

/* Names the command of a word; COMMAND_COUNT and an error with "did you mean" otherwise. */
enum command_id args_command(const char *word, struct err *err);

void args_help(struct buf *out, enum lang lang);                                  /* all commands */
void args_command_help(struct buf *out, enum command_id command, enum lang lang); /* one command's options */

/* From --lang or the locale; English when neither says. */
enum lang args_lang(const char *given);

/* A text with its values, to the user: on standard error. */
#define args_say(lang, id, ...) args_say_list(lang, id, (const char *const[]){ __VA_ARGS__ })
void args_say_list(enum lang lang, enum text_id id, const char *const *values);

/* May standard output have colours? Yes if it is a terminal that supports them and NO_COLOR is not set. */
bool args_color(void);

/* The terminal's width, or what COLUMNS says; 0: unknown. */
size_t args_columns(void);

/* How a text is drawn that goes to `path`: with colours and drawn lines only where standard output ("-" or NULL) has
 * them; as wide as the terminal, from REPORT_COLUMNS to REPORT_COLUMNS_MOST columns. */
struct report_options args_report(const struct options *opts, const char *path);

#endif
