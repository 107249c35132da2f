/* segment.h - one file of a log, to which several processes may append whole lines.
 *
 * Every append takes the file's lock (flock), ends a line that a dead writer left torn, and writes; so lines of several
 * processes never mix. When a write fails half-way, whole lines stay and the rest is truncated or, if that fails too,
 * ended by the next append as one damaged line. If a lock is not released after some tries (its holder is stopped), the
 * append proceeds without it; whole appends do not mix even then.
 *
 * Pipes and devices have no lock and cannot be truncated: the caller continues after the bytes that were accepted.
 *
 * Threads  one at a time. Errors are errno values.
 */
#ifndef RWKVMON_LOG_SEGMENT_H
#define RWKVMON_LOG_SEGMENT_H

#include "base/slice.h"

#include <stdint.h>
#include <sys/types.h>

struct segment {
	const char *path; /* the caller's */
	int fd;           /* -1: not open */
	bool zst;         /* whole frames instead of whole lines */
	bool regular;
	dev_t dev;
	ino_t ino;
	uint64_t good_end; /* the file is known to be whole up to here */
	uint64_t size;     /* as last seen */
	unsigned lock_misses;
	bool name_synced; /* the directory has been synced since the file was opened */
};

/* Opens or creates. Leaves s->fd at -1 on error. */
int segment_open(struct segment *s, const char *path, bool zst, unsigned mode);

/* Creates a file whose name nobody has taken yet; EEXIST: somebody has. */
int segment_claim(const char *path, unsigned mode);

/* Closes; an error means lost data. */
int segment_close(struct segment *s);

/* Appends whole lines (as one frame if zst). *taken gets the number of bytes that are now in the file: whole lines,
 * except for pipes. EAGAIN: another process holds the lock, try again. ESTALE: the name now belongs to another file, or
 * to none. */
int segment_append(struct segment *s, struct slice lines, size_t *taken);

/* Renames the file if `path` still names it; EEXIST when the new name is taken, ESTALE when another process was
 * faster. */
int segment_rename(struct segment *s, const char *to);

/* Syncs the file to the disk, the first time together with the directory that holds its name. Returns 0 for files that
 * cannot be synced (pipes). */
int segment_sync(struct segment *s);

#endif
