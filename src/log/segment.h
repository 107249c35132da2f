/* segment.h - one file of a log: appended to in whole lines, by several processes at once.
 *
 * Every append takes the file's lock (flock), ends what a writer that died left torn, and
 * writes; so lines of several processes never mix. When a write fails half-way, the lines
 * that are whole stay and the rest is taken back, or, where that fails too, ended by the
 * next append: it is one damaged line. A lock that nobody releases for some tries (its
 * holder is stopped) is done without: whole appends do not mix even then.
 *
 * Pipes and devices have no lock and cannot take back: the caller goes on after the bytes
 * that were taken.
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
	int fd;		  /* -1: not open */
	bool zst;	  /* whole frames instead of whole lines */
	bool regular;
	dev_t dev;
	ino_t ino;
	uint64_t good_end; /* up to here the file is known to be whole */
	uint64_t size;	   /* as last seen */
	unsigned lock_misses;
	bool name_synced; /* the directory has been synced since the file was opened */
};

/* Opens or creates. Leaves s->fd at -1 on error. */
int segment_open(struct segment *s, const char *path, bool zst);

/* Closes; an error tells of lost data. */
int segment_close(struct segment *s);

/* Appends whole lines (one frame of them when zst). *taken gets the bytes that now stand
 * in the file, whole lines of it but for pipes.
 * EAGAIN: somebody holds the lock, try again. ESTALE: the name belongs to another file now, or to none. */
int segment_append(struct segment *s, struct slice lines, size_t *taken);

/* Gives the file another name when it is still the one `path` names; EEXIST when that is
 * taken, ESTALE when another process was faster. */
int segment_rename(struct segment *s, const char *to);

/* To the disk, the first time with the directory that holds its name. Files that cannot be synced
 * (pipes) are fine. */
int segment_sync(struct segment *s);

#endif
