/* parts.h - divides a file into parts by bytes, so that several threads can read one file at the same time.
 *
 * A line belongs to the part in which it begins, wherever it ends.
 *
 * Ownership  the file is counted: whoever opened or kept it releases it, the last one closes it.
 * Threads    parts of one file may be read at once; opening, keeping and releasing too.
 */
#ifndef RWKVMON_READ_PARTS_H
#define RWKVMON_READ_PARTS_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <sys/types.h>

struct part_file;

/* Takes over fd. NULL: memory ran out, and fd remains the caller's. */
struct part_file *part_file_open(int fd);
struct part_file *part_file_keep(struct part_file *f);
void part_file_release(struct part_file *f); /* NULL does nothing */

/* Bytes of it; 0 when they cannot be told. */
off_t part_file_bytes(const struct part_file *f);

/* n bytes from `from` on, which is not the file's first. */
struct part {
	struct part_file *file; /* NULL: there is none */
	off_t from;
	size_t n;
};

/* What memory holds afterwards. */
struct part_lines {
	struct slice text; /* whole lines, the file's last with a line end in any case */
	bool too_long;     /* the part's last line has more than DECODE_LINE_MAX bytes and is not among them */
	bool shrunk;       /* the file ended within the part, or before it */
};

/* Into *memory, *cap bytes that grow as needed; DECODE_PADDING bytes behind the text can be read. 0, or negative:
 * memory is out, or ERR_READ with errno in *err. A file that ends sooner than it did has no more lines. */
int part_read(const struct part *p, char **memory, size_t *cap, struct part_lines *out, const char *name,
	      struct err *err);

#endif
