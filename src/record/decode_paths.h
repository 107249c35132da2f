/* decode_paths.h - which JSON path is which metric or field: found by the key and the object it stands in. */
#ifndef RWKVMON_RECORD_DECODE_PATHS_H
#define RWKVMON_RECORD_DECODE_PATHS_H

#include "base/slice.h"

#include <stdint.h>

enum path_kind {
	PATH_OBJECT, /* only leads on */
	PATH_METRIC,
	PATH_FIELD
};

struct path {
	uint16_t node; /* of the object it is, for what stands in it; 0: the whole line */
	uint16_t id;   /* enum metric_id or field_id */
	enum path_kind kind;
};

extern const struct path path_top;

/* Before the first path_find; as often as one likes. */
void paths_init(void);

/* NULL when nobody knows that key there. `in` NULL: an object nobody knows. */
const struct path *path_find(const struct path *in, struct slice key);

#endif
