/* library.c - finds libllama: through the caller's object, behind the adapter, among all that is loaded.
 *
 * RWKVMON_LLAMA_LIBRARY names it where none of these can know, as for callers that reach the adapter through libffi. */
#include "library.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY_VARIABLE "RWKVMON_LLAMA_LIBRARY"

enum { LIBRARIES = 8, SITES = 64, NAMES_BYTES = 1 << 16 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct library libraries[LIBRARIES];
static size_t n_libraries;

/* Call sites that were resolved; libraries never go away. */
static _Thread_local struct {
	const void *site;
	const struct library *library;
} known[SITES];

static void *base_of(const void *address)
{
	Dl_info info;

	return address && dladdr(address, &info) ? info.dli_fbase : NULL;
}

/* NULL: it is the adapter's own, or there is none. */
static void *foreign(void *symbol)
{
	return symbol && base_of(symbol) != base_of(&mutex) ? symbol : NULL;
}

/* A handle of an object that is loaded already; it stays so. */
static void *open_loaded(const char *path)
{
	return path && *path ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

static void *decode_in(void *handle)
{
	return handle ? foreign(dlsym(handle, "llama_decode")) : NULL;
}

/* What the dynamic linker would have found for the object with `site`, were the adapter not there. */
static void *decode_of_caller(const void *site)
{
	Dl_info caller;

	return dladdr(site, &caller) ? decode_in(open_loaded(caller.dli_fname)) : NULL;
}

/* -- all that is loaded ------------------------------------------------------------------------- */

struct names {
	char *text; /* paths, each with its 0 */
	size_t bytes, used;
};

/* Holds the dynamic linker's lock, so it only copies. */
static int note_name(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct names *names = ctx;
	size_t n = info->dlpi_name ? strlen(info->dlpi_name) + 1 : 0;

	(void)size;
	if (n > 1 && names->used + n <= names->bytes) {
		memcpy(names->text + names->used, info->dlpi_name, n);
		names->used += n;
	}
	return 0;
}

/* llama_decode of the first object that defines it, and not only depends on one that does. */
static void *decode_anywhere(void)
{
	struct names names = { .text = malloc(NAMES_BYTES), .bytes = NAMES_BYTES };
	void *found = NULL;

	if (names.text)
		dl_iterate_phdr(note_name, &names);
	for (size_t at = 0; at < names.used && !found; at += strlen(names.text + at) + 1) {
		void *handle = strstr(names.text + at, "llama") ? open_loaded(names.text + at) : NULL;

		found = decode_in(handle);
		if (handle && !found)
			dlclose(handle);
	}
	free(names.text);
	return found;
}

static void *decode_named(void)
{
	return decode_in(open_loaded(secure_getenv(LIBRARY_VARIABLE)));
}

/* -- tables ------------------------------------------------------------------------------------- */

/* dlsym gives an object pointer; POSIX says it may be used as a function. */
static void fill(struct library *l)
{
#define FUNCTION(name, returns, arguments) *(void **)&l->name = foreign(dlsym(l->handle, "llama_" #name));
#define WATCHED FUNCTION
#define SEQUENCES(prefix, owner)                                                                                       \
	FUNCTION(prefix##_seq_rm, , )                                                                                  \
	FUNCTION(prefix##_seq_cp, , )                                                                                  \
	FUNCTION(prefix##_seq_keep, , )                                                                                \
	FUNCTION(prefix##_seq_add, , )                                                                                 \
	FUNCTION(prefix##_seq_div, , )
#include "functions.def"
#undef FUNCTION
#undef WATCHED
#undef SEQUENCES
}

/* The table of the library with that llama_decode; NULL: too many. */
static const struct library *table_of(void *decode)
{
	struct library *l = libraries;
	Dl_info info;

	if (!decode || !dladdr(decode, &info))
		return NULL;
	while (l < libraries + n_libraries && l->base != info.dli_fbase)
		l++;
	if (l == libraries + LIBRARIES)
		return NULL;
	if (l == libraries + n_libraries) {
		void *handle = open_loaded(info.dli_fname);

		l->handle = handle ? handle : RTLD_NEXT; /* the program itself, which has no path to open it by */
		l->base = info.dli_fbase;
		fill(l);
		n_libraries++;
	}
	return l;
}

static const struct library *find(const void *site)
{
	void *decode = decode_of_caller(site);

	decode = decode ? decode : foreign(dlsym(RTLD_NEXT, "llama_decode"));
	decode = decode ? decode : decode_named();
	return table_of(decode ? decode : decode_anywhere());
}

const struct library *library_of(const void *site)
{
	size_t at = ((uintptr_t)site * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SITES;

	if (known[at].site != site || !known[at].library) {
		pthread_mutex_lock(&mutex);
		known[at].library = find(site);
		pthread_mutex_unlock(&mutex);
		known[at].site = site;
	}
	return known[at].library;
}

bool library_is_loaded(char *out, size_t bytes)
{
	void *decode = foreign(dlsym(RTLD_NEXT, "llama_decode"));
	Dl_info info;

	decode = decode ? decode : decode_anywhere();
	if (!decode || !dladdr(decode, &info))
		return false;
	snprintf(out, bytes, "%s", info.dli_fname);
	return true;
}
