/* decode_paths.h - finds the metric or field of a JSON path, by the key and the object that contains it. */
#ifndef RWKVMON_RECORD_DECODE_PATHS_H
#define RWKVMON_RECORD_DECODE_PATHS_H

#include "base/slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { PATH_KEY_MAX = 63 }; /* bytes of a path */

/* What the lines had of a path; threads that decode share it. */
struct reading_use {
	atomic_bool found, read; /* the path is there; a value of it is what was expected */
};

/* How to convert another program's value into ours. */
struct reading {
	int exponent;  /* times 10^exponent, */
	double factor; /* and times this */
	enum time_form { TIME_ISO, TIME_SECONDS, TIME_MILLISECONDS, TIME_MICROSECONDS, TIME_NANOSECONDS } time;

	/* (n_words) texts that mean an event type or a phase; NULL: our own words. */
	const struct reading_word {
		const char *word;
		int means;
	} * word;
	size_t n_words;
	struct reading_use *use; /* not NULL */
};

enum path_kind {
	PATH_OBJECT, /* an object that contains other paths */
	PATH_METRIC,
	PATH_FIELD
};

struct path {
	uint16_t node; /* of the object it is, for what stands in it; 0: the whole line */
	uint16_t id;   /* enum metric_id or field_id */
	enum path_kind kind;
	const struct reading *reading; /* NULL: without conversion */
};

extern const struct path path_top;

/* Which keys are known. */
struct paths;

/* Those of our own logs. */
const struct paths *paths_own(void);

struct paths *paths_open(void); /* none; NULL: no memory */
void paths_close(struct paths *p);

/* "a.b" is b in the object a, or the key "a.b". False: the path, or one that leads through it, exists already, or there
 * is no room. `reading` is borrowed. */
bool paths_add(struct paths *p, const char *path, enum path_kind kind, int id, const struct reading *reading);

/* NULL when the key is unknown there. `in` NULL: an unknown object. */
const struct path *path_find(const struct paths *p, const struct path *in, struct slice key);

#endif
