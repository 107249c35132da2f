/* json_read.h - reads values from small JSON texts of other programs: an answer of a service, a line of a file, a list
 * on a command line.
 *
 * Builds no tree: values are slices of the text. Malformed text has no members and no elements; nesting uses no stack.
 */
#ifndef RWKVMON_BASE_JSON_READ_H
#define RWKVMON_BASE_JSON_READ_H

#include "base/buf.h"

/* The value of the object's member with that name (which has no escapes), as it is written; n is 0 when there is
 * none. */
struct slice json_read_member(struct slice object, const char *key);

/* The next member of an object, its name as it stands between the quotes; *at is 0 before the first. False: there are
 * no more, or the text goes wrong. */
bool json_read_pair(struct slice object, size_t *at, struct slice *name, struct slice *value);

/* Gets the next element of an array; *at is 0 before the first. False: there are no more, or the text is malformed
 * (then *at is SIZE_MAX). */
bool json_read_element(struct slice array, size_t *at, struct slice *element);

/* Appends the unescaped text of the string with which the text begins, and returns its bytes, quotes included; 0: there
 * is none, or it does not end. */
size_t json_read_string(struct buf *out, struct slice text);

/* The same of a whole value. False: the value is not a string. */
bool json_read_text(struct buf *out, struct slice value);

/* Reads a whole number; false when the value is none, or one that does not fit. */
bool json_read_whole(struct slice value, int64_t *out);

/* A finite number; false when the value is none. */
bool json_read_number(struct slice value, double *out);

#endif
