/* microhttpd.c - libmicrohttpd, bound once. */
#include "export/microhttpd.h"

#ifndef RWKVMON_HTTP

int microhttpd_load(struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, "this build has no HTTP server");
	return err_hint(err, "install libmicrohttpd (Debian: libmicrohttpd-dev) and build again");
}

const char *microhttpd_version(void)
{
	return NULL;
}

#else

#include "base/library.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#define DEFINE(name) __typeof__(MHD_##name) *mhd_##name;
MICROHTTPD_FUNCTIONS(DEFINE)
#undef DEFINE

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loaded;

static void load(void)
{
#define SYMBOL(name) { "MHD_" #name, &mhd_##name },
	static const struct library_symbol symbols[] = { MICROHTTPD_FUNCTIONS(SYMBOL) };
#undef SYMBOL

	loaded = library_bind("libmicrohttpd.so.12", symbols, sizeof symbols / sizeof *symbols);
}

int microhttpd_load(struct err *err)
{
	pthread_once(&once, load);
	if (loaded)
		return 0;
	err_set(err, ERR_UNSUPPORTED, "the HTTP server cannot be started: libmicrohttpd.so.12 cannot be loaded");
	return err_hint(err, "install it (Debian: libmicrohttpd12)");
}

const char *microhttpd_version(void)
{
	static char text[64];

	pthread_once(&once, load);
	if (!loaded)
		return "no, libmicrohttpd.so.12 cannot be loaded";
	snprintf(text, sizeof text, "libmicrohttpd %s", mhd_get_version());
	return text;
}

#endif
