/* follow_known.h - what is known about a followed file, and how it is recognised again.
 *
 * Ownership  known_free releases one; a list releases all of its own.
 * Threads    one.
 */
#ifndef RWKVMON_CLI_FOLLOW_KNOWN_H
#define RWKVMON_CLI_FOLLOW_KNOWN_H

#include "base/buf.h"
#include "read/read.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { HEAD_BYTES = 1024, PAST_MAX = 256 };

/* The beginning of a file's text. */
struct head {
	uint64_t hash;
	size_t n;       /* number of bytes, up to HEAD_BYTES; fewer than TEXTS_LEAST do not identify a file */
	uint64_t least; /* hash of its first TEXTS_LEAST bytes; 0: unknown */
};

struct known {
	char *path;
	dev_t device;
	ino_t inode;
	int fd; /* held, or -1 */
	enum packing packing;
	bool seen; /* by this look */
	bool more; /* the last turn left some of it */
	unsigned scans_gone;
	unsigned scans_copy; /* for so many it has been another one's copy */
	bool is_copy;        /* of its twin, as a whole: the texts were compared */
	bool told;           /* that it cannot be read */
	bool last;           /* its name is gone: what waits for the rest of a line is given out */
	struct read_place at;
	off_t size;         /* when last read */
	uint64_t used;      /* the turn in which it was read last */
	off_t seen_size;    /* when last looked at, */
	uint64_t seen_turn; /* and since which turn */
	struct head head;
	struct known *twin; /* its beginning is this one's: a copy, read only when that one is truncated or gone */
};

struct known_list {
	struct known **file; /* (n) */
	size_t n, cap;
	size_t n_held;
	size_t *place; /* (n_places): open addressing by inode; index + 1, 0: free */
	size_t n_places;
	struct past { /* files that were truncated or went, a ring */
		struct head head;
		enum packing packing;
		bool found; /* of an earlier one: it is among the files */
		struct read_place at;
	} past[PAST_MAX];
	size_t n_past;
	struct past *earlier; /* (n_earlier): that another process has read */
	size_t n_earlier;
};

/* Does the file still begin so? */
bool head_is(const struct head *h, int fd);

struct known *known_find(const struct known_list *l, dev_t device, ino_t inode);

/* A new file; where it is to be read from follows from its beginning. NULL: no memory. */
struct known *known_add(struct known_list *l, const char *path, const struct stat *st, int fd);

/* Looks at the beginning of a file that was short when it was last looked at: it may be that of another one. */
void known_look_again(struct known_list *l, struct known *k, int fd);

/* It is longer than what it was copied from, and all of that one was read: goes on there. */
void known_part(struct known *k);

/* It only begins like its twin: it is read from its beginning. */
void known_is_no_copy(struct known *k);

/* The file begins again. */
void known_restart(struct known_list *l, struct known *k, int fd);

/* Forgets files that are gone: those that were not seen, and of which nothing is left to read. */
void known_forget_gone(struct known_list *l);

/* Where all files are read to, those that are gone too, a line for each; and the same as another process wrote it. */
void known_places(const struct known_list *l, struct buf *out);
void known_resume(struct known_list *l, struct slice places);

void known_let_go(struct known_list *l, struct known *k); /* of its descriptor */
void known_free_all(struct known_list *l);

#endif
