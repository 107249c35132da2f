/* follow.h - any number of growing logs at once; new files of directories and patterns are picked up.
 *
 * One thread finds files that have grown and reads them; of an unchanged file, only a few words are kept in memory. A
 * file is known by device and inode, and by its first bytes: what rotation renames, copies (copytruncate) or compresses
 * is not read a second time, and what is truncated is read from its beginning, however much it has grown since. A copy
 * that stays is compared as a whole: what it has beyond the other one is read, and a copy that has nothing is told. A
 * file that is gone is read to its end and forgotten.
 *
 * Ownership  follow_open creates, follow_close stops the threads and destroys.
 * Threads    `take` is called from the thread that reads, and from one for each pipe that was named.
 * Bounds     HELD_MAX descriptors; about 300 bytes per file that is there; a turn reads TURN_BYTES of a file.
 */
#ifndef RWKVMON_CLI_FOLLOW_H
#define RWKVMON_CLI_FOLLOW_H

#include "base/err.h"
#include "record/columns.h"
#include "spec/input.h"

#include <stdbool.h>

struct follow;

/* Rows in the order of the log, which may be changed, and the lines they are of, some of which may have become none.
 * file: its name without folders. */
typedef void follow_take(void *ctx, struct columns *rows, struct slice lines, const char *file);

struct follow_options {
	follow_take *take;
	/* Called when all files were looked at, from the thread that reads them: `places`, a line each, is up to where.
	 * Files that are read on from there, by another follow_open, give what comes after. Pipes have no places. NULL:
	 * nobody asks. */
	void (*turned)(void *ctx, struct slice places, bool all_read);
	/* Called when a piece of a file was read, from the thread that reads them, of the piece alone. Lines of a piece
	 * that is not a file's first have the number 0. NULL: nobody asks. */
	void (*read)(void *ctx, const struct input_stats *piece);
	void *ctx;
	struct slice places; /* of an earlier one; empty: all is read from the beginning */
	bool once;           /* what is there is all: no line that came in part is waited for */
	bool slowly;         /* looks for news twice a second, not ten times: a turn costs more than its lines */
};

/* Names are files, directories and patterns; each must be there, but a directory may still be empty. */
int follow_open(struct follow **out, const char *const *names, size_t n, const struct follow_options *how,
		struct err *err);

/* What cannot be read (any more), each once; false: nothing new. */
bool follow_trouble(struct follow *f, struct err *err);

/* Files and pipes that are followed now. */
size_t follow_files(struct follow *f);

void follow_close(struct follow *f);

#endif
