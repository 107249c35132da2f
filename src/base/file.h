/* file.h - whole files: mapped to be read, written so that a crash leaves the old or the new. */
#ifndef RWKVMON_BASE_FILE_H
#define RWKVMON_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* A file mapped read-only; an empty file has p = NULL, n = 0. */
struct file_map {
	const uint8_t *p;
	size_t n; /* bytes */
};

int file_map(struct file_map *out, const char *path, struct err *err);
void file_unmap(struct file_map *m);

/* Appends the whole of `path` ("-" is standard input) to *out; refuses more than limit bytes. */
int file_read(struct buf *out, const char *path, size_t limit, struct err *err);

/* Writes beside `path` and renames over it ("-" is standard output, written straight). */
int file_write(const char *path, struct slice bytes, struct err *err);

/* How `path` is to be written: *replace gets the file to be replaced by renaming a whole
 * new one over it (links are followed; the caller frees it), or NULL when `path` must be
 * written as it is: a pipe, a device, a link to nothing. False: out of memory. */
bool file_replaceable(const char *path, char **replace);

/* write(2) until all is written; EINTR and short writes are nothing. Returns 0 or errno. */
int file_write_all(int fd, struct slice bytes);

#endif
