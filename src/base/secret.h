/* secret.h - reads texts that must not be on a command line, where `ps` shows them: "@FILE" means the content of
 * FILE. */
#ifndef RWKVMON_BASE_SECRET_H
#define RWKVMON_BASE_SECRET_H

#include "base/buf.h"
#include "base/err.h"

/* *out gets a copy of `given` or, if it begins with '@', of the first line of the file it names; the caller frees it.
 * Errors name the file, not its content; an empty secret is one. NULL gives NULL. */
int secret_read(char **out, const char *given, struct err *err);

/* Appends the whole file named after the '@' (64 KiB at most). */
int secret_file(struct buf *out, const char *given, struct err *err);

#endif
