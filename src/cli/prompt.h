/* prompt.h - a prompt from a file: text, and nothing else. */
#ifndef RWKVMON_CLI_PROMPT_H
#define RWKVMON_CLI_PROMPT_H

#include "base/buf.h"
#include "base/err.h"

/* Appends the text of `path` ("-" is standard input) to *out, without the mark (BOM) at its start. Refuses what is not
 * UTF-8 and what holds a NUL, with the first such byte and its place; a last character that is cut off is no fault. */
int prompt_read(struct buf *out, const char *path, struct err *err);

#endif
