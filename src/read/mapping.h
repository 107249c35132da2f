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

/* For struct read_options. */
const struct field_map *mapping_fields(const struct mapping *m);

#endif
