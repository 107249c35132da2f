/* http.h - a small HTTP server whose routes its caller defines.
 *
 * GET and HEAD of exactly the paths in the table; nothing is read from disk. Loopback unless
 * the address says otherwise. A token, when there is one, must come as `Authorization: Bearer`,
 * as the cookie that `/?token=…` sets; without one, a server on loopback answers only requests
 * that name a loopback host, so that no foreign page reaches it by a name of its own.
 *
 * Limits     96 connections, 16 of them streams; 16 KiB of request; 10 s to send one, 30 s to
 *            take the answer, 20 s between two; a body is refused. If all are in use, a new connection is
 *            still accepted: the address with most connections loses the one that has waited longest
 *            without a request.
 * Queries    a route that declares its parameters is asked with these only, each once and not empty;
 *            a byte 0 (%00) anywhere in the address is refused.
 * Ownership  http_open creates, http_close destroys; the route table is borrowed.
 * Threads    routes are answered on one thread of the server's own, one after the other; all signals are
 *            blocked on its threads. http_wake may be called from any.
 * Fork       a child has no server: it calls http_forget, which only closes the socket.
 * Errors     ERR_UNSUPPORTED when libmicrohttpd was not there at build time.
 */
#ifndef RWKVMON_EXPORT_HTTP_H
#define RWKVMON_EXPORT_HTTP_H

#include "base/buf.h"
#include "base/err.h"

enum { HTTP_ABOUT_BYTES = 128 };

struct http_request; /* valid during the answer */

/* "" when there is none. */
struct slice http_header(const struct http_request *r, const char *name);
struct slice http_query(const struct http_request *r, const char *name);

struct http_response {
	int status;         /* 200 unless set */
	const char *type;   /* of the content; constant text */
	const char *policy; /* Content-Security-Policy; NULL: nothing may be loaded */
	struct buf body;    /* the server frees it */
};

struct http_route {
	const char *path; /* "/metrics" */

	/* Names of the query's parameters, then NULL. NULL: the route reads none, and ignores what comes. */
	const char *const *takes;
	void (*answer)(void *ctx, const struct http_request *request, struct http_response *response);

	/* Server-sent events instead of `answer`: appends the events after *cursor (0 at first) and moves it on. Called
	 * again after each http_wake; it may append nothing. `about` is the subject that the query names (?about=…), or
	 * "" if it names none; one of HTTP_ABOUT_BYTES or more is refused. */
	void (*events)(void *ctx, const char *about, uint64_t *cursor, struct buf *out);
	void *ctx;
};

struct http_config {
	const char *listen; /* "ADDR:PORT", "PORT", "ADDR", "" for 127.0.0.1:8000; port 0: a free one */
	const char *token;  /* NULL or "": none; "@FILE": its first line */
	const struct http_route *route;
	size_t n_routes;
	unsigned receive_seconds; /* a request must be in by then; 0: 10 */
};

struct http;

int http_open(struct http **out, const struct http_config *config, struct err *err);
void http_close(struct http *h);
void http_forget(struct http *h);

/* True if it listens beyond this machine without a token: then whoever reaches the port gets answers. */
bool http_is_open(const struct http *h);

const char *http_url(const struct http *h); /* "http://127.0.0.1:8000" */

/* There is news for the streams. */
void http_wake(struct http *h);

#endif
