/* mapping.h - reads a file that maps the keys of another program's log to our fields: docs/MAPPING.md.
 *
 * Ownership  mapping_open creates, mapping_close destroys; the field map lives in between.
 * Errors     "FILE:LINE:COLUMN: what was found, what was expected", with the nearest known word.
 */
#ifndef RWKVMON_READ_MAPPING_H
#define RWKVMON_READ_MAPPING_H

#include "base/err.h"
#include "record/codec.h"

struct mapping;

/* *out is NULL on error. */
int mapping_open(struct mapping **out, const char *path, struct err *err);
int mapping_parse(struct mapping **out, struct slice text, const char *name, struct err *err);
void mapping_close(struct mapping *m);

/* A path that the file names, and no line that was read has a value of. */
struct unread_path {
	const char *name, *path; /* ours and theirs; valid as long as the mapping */
	bool found;              /* lines have the path, but none a value that means anything for the name */
};

/* The next one from *at on, which begins with 0; false: none is left, or no line was read. */
bool mapping_next_unread(const struct mapping *m, size_t *at, struct unread_path *out);

/* For struct read_options. */
const struct field_map *mapping_fields(const struct mapping *m);

#endif
