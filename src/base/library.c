/* library.c - loads a library when it is needed. */
#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

bool library_bind(const char *name, const struct library_symbol *symbols, size_t n)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; library && i < n; i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return false;
		memcpy(symbols[i].slot, &symbol, sizeof symbol);
	}
	return library;
}
