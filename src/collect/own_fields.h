/* own_fields.h - the caller's own fields, rendered once and copied into every record.
 *
 * Threads  the caller's thread only; what the writer sees are copies in the ring.
 */
#ifndef RWKVMON_COLLECT_OWN_FIELDS_H
#define RWKVMON_COLLECT_OWN_FIELDS_H

#include "base/err.h"
#include "record/record.h"

enum {
	OWN_FIELDS_MAX = 16,
	OWN_PATH_BYTES = 64,
	OWN_JSON_BYTES = 320,
	OWN_BLOB_BYTES = OWN_FIELDS_MAX * OWN_JSON_BYTES
};

struct own_fields {
	struct own_field {
		char path[OWN_PATH_BYTES];
		enum own_place place;
		char json[OWN_JSON_BYTES]; /* "name":value */
		size_t n;
	} field[OWN_FIELDS_MAX];
	size_t n;
	char blob[OWN_BLOB_BYTES]; /* all of them, by place, joined by commas */
	size_t blob_bytes;
	uint16_t place_bytes[OWN_PLACE_COUNT];
};

/* Sets or replaces a field. `path` is "name" or "group.name" with a group of the log; a name consists of letters,
 * digits and _, and must not be one of the log's own. */
int own_fields_set(struct own_fields *own, const char *path, struct slice json_value, struct err *err);

/* Nothing to remove is fine. */
void own_fields_remove(struct own_fields *own, const char *path);

#endif
