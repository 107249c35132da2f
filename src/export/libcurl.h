/* libcurl.h - libcurl, loaded when it is first needed: linking it would cost every start of every program 20 libraries.
 *
 * Threads  any.
 */
#ifndef RWKVMON_EXPORT_LIBCURL_H
#define RWKVMON_EXPORT_LIBCURL_H

#if defined(RWKVMON_HAS_CURL) && RWKVMON_HAS_CURL

#include <curl/curl.h>
#include <stdbool.h>

/* Before any other call; loads once. False: it is not installed. */
bool libcurl_load(void);

/* Every function that is called, as libcurl_<name>. */
#define LIBCURL_FUNCTIONS(X)                                                                                           \
	X(global_init)                                                                                                 \
	X(version)                                                                                                     \
	X(easy_init)                                                                                                   \
	X(easy_cleanup)                                                                                                \
	X(easy_setopt)                                                                                                 \
	X(easy_perform)                                                                                                \
	X(easy_getinfo)                                                                                                \
	X(easy_pause)                                                                                                  \
	X(easy_strerror)                                                                                               \
	X(slist_append)                                                                                                \
	X(slist_free_all)                                                                                              \
	X(multi_init)                                                                                                  \
	X(multi_setopt)                                                                                                \
	X(multi_add_handle)                                                                                            \
	X(multi_remove_handle)                                                                                         \
	X(multi_perform)                                                                                               \
	X(multi_poll)                                                                                                  \
	X(multi_socket_action)                                                                                         \
	X(multi_info_read)                                                                                             \
	X(multi_cleanup)

/* Macros of the header check types of the real functions; these are called through pointers. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define DECLARE(name) extern __typeof__(curl_##name) *libcurl_##name;
LIBCURL_FUNCTIONS(DECLARE)
#undef DECLARE

/* What the handle asks. A proxy that the environment names is asked in its place, except for this machine: to a proxy,
 * localhost is its own. */
void libcurl_address(CURL *c, const char *url);

/* http and https alone, whatever an address or an answer says; no signals, no redirects. */
void libcurl_restrict(CURL *c);

#endif
#endif
