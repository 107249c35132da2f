/* follow.h - many growing logs at once: one thread per file, new files of directories and patterns picked up.
 *
 * A file that rotation renamed is not read a second time under its new name: files are known
 * by device and inode as well as by name.
 *
 * Ownership  follow_open creates, follow_close stops the threads and destroys.
 * Threads    `take` is called from the files' threads, several at once.
 * Bounds     256 files; more are told by follow_left_out.
 */
#ifndef RWKVMON_CLI_FOLLOW_H
#define RWKVMON_CLI_FOLLOW_H

#include "base/err.h"
#include "record/record.h"

struct follow;

typedef void follow_take(void *ctx, const struct record *r, const char *file); /* file: its name without folders */

/* Names are files, directories and patterns; each must be there, but a directory may still be empty. */
int follow_open(struct follow **out, const char *const *names, size_t n, follow_take *take, void *ctx, struct err *err);

/* Looks for new files. Once a second or so, from one thread. */
void follow_look(struct follow *f);

/* Of a file that cannot be read (any more), each once; NULL: none. */
const struct err *follow_trouble(struct follow *f);

size_t follow_files(const struct follow *f);
size_t follow_left_out(const struct follow *f);

void follow_close(struct follow *f);

#endif
