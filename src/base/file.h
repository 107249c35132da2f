/* file.h - maps whole files for reading, and writes them so that a crash leaves either the old or the new file. */
#ifndef RWKVMON_BASE_FILE_H
#define RWKVMON_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* A file mapped read-only; an empty file has p = NULL, n = 0. */
struct file_map {
	const uint8_t *p;
	size_t n; /* bytes */
};

/* A file that becomes shorter, or fails to be read, while it is mapped ends the program by SIGBUS when what is missing
 * is touched: file_of_address says which file that is. */
int file_map(struct file_map *out, const char *path, struct err *err);

enum { FILE_LABEL_BYTES = 256 };

/* [signal handlers] The printable, perhaps shortened name of the mapped file at that address; NULL: none of the first
 * 64 that are mapped at a time. */
const char *file_of_address(const void *address);
void file_unmap(struct file_map *m);

/* Whole pages within p[0..n) leave the process's memory; they are read again if they are needed. Nothing, if the bytes
 * are not of this map. */
void file_forget(const struct file_map *m, const void *p, size_t n);

/* Opens `path` for reading from its beginning: a file, a terminal, or a pipe that has a writer. Refuses devices, and
 * pipes that get no writer within FILE_PIPE_WAIT_MS (with `stop`: until it returns true). Returns the descriptor, or a
 * negative ERR code. */
enum { FILE_PIPE_WAIT_MS = 2000 };
int file_open_stream(const char *path, bool (*stop)(void *ctx), void *ctx, struct err *err);

/* The same file by a descriptor behind standard error's, for files that stay open: in a program that has closed its
 * standard output (daemons do), a file that is opened next takes its number, and whatever is printed goes into it. A
 * negative descriptor, and errno, stay as they are. */
int file_beyond_standard(int fd);

/* Appends the whole of `path` ("-" is standard input) to *out; refuses more than limit bytes. */
int file_read(struct buf *out, const char *path, size_t limit, struct err *err);

/* Writes a new file beside `path` and renames it to `path` ("-" is standard output, written directly). */
int file_write(const char *path, struct slice bytes, struct err *err);

/* The same for text that people read: on standard output it is converted to the terminal's character set
 * (charset.h). */
int file_write_text(const char *path, struct slice text, struct err *err);

/* Determines how `path` is to be written: *replace gets the name of the file that a complete new one is renamed to
 * (links are followed; the caller frees it), or NULL when `path` must be written in place: a pipe, a device, a dangling
 * link. False: out of memory. */
bool file_replaceable(const char *path, char **replace);

/* Calls write(2) until everything is written, also after EINTR and short writes. Returns 0 or errno. */
int file_write_all(int fd, struct slice bytes);

/* The same for text that people read, converted to the terminal's character set. */
int file_say(int fd, struct slice text);

#endif
