/* library.h - loads a library when it is needed; linking it would slow down every start of every program. */
#ifndef RWKVMON_BASE_LIBRARY_H
#define RWKVMON_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

struct library_symbol {
	const char *name;
	void *slot; /* the address of a function pointer */
};

/* Fills all slots; false: the library is missing, or lacks one of the functions. It stays loaded. */
bool library_bind(const char *name, const struct library_symbol *symbols, size_t n);

#endif
