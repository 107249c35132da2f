/* microhttpd.h - libmicrohttpd, loaded when something is served: few programs do that, and it brings ten libraries.
 *
 * Threads  any.
 * Errors   a build without the library's headers, a machine without the library: microhttpd_load says which.
 */
#ifndef RWKVMON_EXPORT_MICROHTTPD_H
#define RWKVMON_EXPORT_MICROHTTPD_H

#include "base/err.h"

/* Before any other call; loads once. */
int microhttpd_load(struct err *err);

/* In words, for `--version`; NULL: this build has no HTTP server. */
const char *microhttpd_version(void);

#ifdef RWKVMON_HTTP

#include <microhttpd.h>

/* Every function that is called, as mhd_<name>. */
#define MICROHTTPD_FUNCTIONS(X)                                                                                        \
	X(start_daemon)                                                                                                \
	X(stop_daemon)                                                                                                 \
	X(run)                                                                                                         \
	X(get_timeout)                                                                                                 \
	X(get_daemon_info)                                                                                             \
	X(add_response_header)                                                                                         \
	X(create_response_from_buffer)                                                                                 \
	X(create_response_from_callback)                                                                               \
	X(destroy_response)                                                                                            \
	X(get_connection_info)                                                                                         \
	X(get_connection_values)                                                                                       \
	X(lookup_connection_value)                                                                                     \
	X(queue_response)                                                                                              \
	X(resume_connection)                                                                                           \
	X(suspend_connection)                                                                                          \
	X(get_version)

#define DECLARE(name) extern __typeof__(MHD_##name) *mhd_##name;
MICROHTTPD_FUNCTIONS(DECLARE)
#undef DECLARE

#endif
#endif
