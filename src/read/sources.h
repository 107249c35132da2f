/* sources.h - the names of a command line become the files to read. */
#ifndef RWKVMON_READ_SOURCES_H
#define RWKVMON_READ_SOURCES_H

#include "base/arena.h"
#include "base/err.h"

#include <stdint.h>

struct sources {
	struct arena arena;
	const char **path; /* (n), in the order they are read */
	size_t n, cap;
	uint64_t total_bytes; /* 0 when one of them does not say */
};

/* Expands directories and patterns, and tries every file. sources_free also after an error. */
int sources_find(struct sources *s, const char *const *names, size_t n, struct err *err);
void sources_free(struct sources *s);

#endif
