/* sources.h - the names of a command line become the files to read.
 *
 * A named file must exist. A file that is found in a directory or by a pattern and cannot be read (a dangling link, a
 * pipe, a file without read permission) is listed as left out; the others are read. A file that has two names is read
 * once; if both were named, the second is listed as left out. So is a pipe that is named twice; - twice is an error. Of
 * two files of which one's text, decompressed, is all that the other begins with (a copy, compressed or not, or one
 * that is being made), the longer one is read and the other listed as left out. Directories that change meanwhile are
 * read again until they no longer change; the folders in them are not read, and those that hold logs are listed.
 *
 * Ownership  sources_find fills in, sources_free releases, also after an error.
 * Bounds     HELD_MAX files are kept open from here on, so that renaming or removing them takes nothing away.
 */
#ifndef RWKVMON_READ_SOURCES_H
#define RWKVMON_READ_SOURCES_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "spec/input.h"
#include "spec/skipped.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct source {
	const char *path;
	int fd;     /* open already, at its beginning; -1: by its path */
	bool found; /* in a directory or by a pattern; false: it was named */
	bool regular;
	uint64_t bytes;         /* of a regular file */
	struct source_text {    /* how its text begins, where copies are looked for */
		size_t n;       /* of its bytes that are known */
		uint64_t hash;  /* of these */
		uint64_t least; /* … of its first TEXTS_LEAST, or fewer */
	} text;
	dev_t device; /* of a pipe, too; inode 0: unknown */
	ino_t inode;
	bool looked; /* for its first record's time */
	bool has_time;
	int64_t time_us;
};

struct sources {
	struct arena arena;
	struct source *file; /* (n), in the order they are read */
	size_t n, cap;
	size_t *place;        /* (2 * cap): indexes + 1 by inode; 0: free */
	uint64_t total_bytes; /* 0 when one of them does not say */
	size_t n_held;
	size_t n_again; /* found once more, or a copy */
	unsigned how;
	struct skipped_line left_out[INPUT_SKIPPED_MAX]; /* the first of them; line 0 */
	size_t n_left_out;                               /* all */
	size_t n_needless;                               /* of these: nothing is lost */
};

enum sources_how {
	SOURCES_LOOK = 0,    /* files are only looked at, and copies among them not found */
	SOURCES_HOLD = 1,    /* files are opened and kept so */
	SOURCES_FOLDERS = 2, /* the folders of directories are searched for logs */
};
int sources_find(struct sources *s, const char *const *names, size_t n, unsigned how, struct err *err);
void sources_free(struct sources *s);

/* Is it what a directory's logs are called: *.log, *.jsonl, *.ndjson, and what rotation and compression make of them?
 */
bool source_is_log(const char *name);
/* Are we not allowed to read what a name names, or to look into the folder where a pattern looks? Then *place, which is
 * empty, becomes the one that it is, and *why the reason. */
bool source_is_denied(const char *name, struct buf *place, enum skipped_id *why);
/* Of a reason (English) for which a file or folder is left out: is nothing lost by it? */
bool source_is_needless(const char *reason);

#endif
