/* decode_paths.h - which JSON path is which metric or field: found by the key and the object it stands in. */
#ifndef RWKVMON_RECORD_DECODE_PATHS_H
#define RWKVMON_RECORD_DECODE_PATHS_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { PATH_KEY_MAX = 63 }; /* bytes of a path */

/* How another program's value becomes ours. */
struct reading {
	int exponent;  /* times 10^exponent, */
	double factor; /* and times this */
	enum time_form { TIME_ISO, TIME_SECONDS, TIME_MILLISECONDS, TIME_MICROSECONDS, TIME_NANOSECONDS } time;

	/* (n_words) texts that stand for an event type or a phase; NULL: they are called as they are here. */
	const struct reading_word {
		const char *word;
		int means;
	} *word;
	size_t n_words;
};

enum path_kind {
	PATH_OBJECT, /* only leads on */
	PATH_METRIC,
	PATH_FIELD
};

struct path {
	uint16_t node; /* of the object it is, for what stands in it; 0: the whole line */
	uint16_t id;   /* enum metric_id or field_id */
	enum path_kind kind;
	const struct reading *reading; /* NULL: as it stands */
};

extern const struct path path_top;

/* Which keys are known. */
struct paths;

/* Those of our own logs. */
const struct paths *paths_own(void);

struct paths *paths_open(void); /* none; NULL: no memory */
void paths_close(struct paths *p);

/* "a.b" is b in the object a, or the key "a.b". False: the path, or one that leads through it, is taken, or it has no
 * room. `reading` is borrowed. */
bool paths_add(struct paths *p, const char *path, enum path_kind kind, int id, const struct reading *reading);

/* NULL when nobody knows that key there. `in` NULL: an object nobody knows. */
const struct path *path_find(const struct paths *p, const struct path *in, struct slice key);

#endif
