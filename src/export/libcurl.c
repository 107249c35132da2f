/* libcurl.c - libcurl, bound once. */
#include "export/libcurl.h"

#include "export/deliver.h"

#include <stdio.h>

#if RWKVMON_HAS_CURL

#include "base/library.h"
#include "export/url.h"

#include <pthread.h>
#include <string.h>

#define DEFINE(name) __typeof__(curl_##name) *libcurl_##name;
LIBCURL_FUNCTIONS(DEFINE)
#undef DEFINE

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loaded;

static void load(void)
{
#define SYMBOL(name) { "curl_" #name, &libcurl_##name },
	static const struct library_symbol symbols[] = { LIBCURL_FUNCTIONS(SYMBOL) };
#undef SYMBOL

	loaded = library_bind("libcurl.so.4", symbols, sizeof symbols / sizeof *symbols) &&
		 !libcurl_global_init(CURL_GLOBAL_DEFAULT);
}

bool libcurl_load(void)
{
	pthread_once(&once, load);
	return loaded;
}

void libcurl_address(CURL *c, const char *url)
{
	libcurl_easy_setopt(c, CURLOPT_URL, url);
	if (url_is_loopback(url))
		libcurl_easy_setopt(c, CURLOPT_NOPROXY, "*");
}

void libcurl_restrict(CURL *c)
{
	libcurl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	libcurl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
	libcurl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	libcurl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

void deliver_version(char *text, size_t n)
{
	snprintf(text, n, "%s", libcurl_load() ? libcurl_version() : "none (libcurl.so.4 is not installed)");
	if (loaded)
		text[strcspn(text, " ")] = 0; /* behind it stand the libraries that it was built with */
}

#else

void deliver_version(char *text, size_t n)
{
	snprintf(text, n, "none (built without libcurl)");
}

#endif
