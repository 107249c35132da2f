/* proxy.h - a proxy in front of an OpenAI-compatible server: forwards every request unchanged, and measures it.
 *
 *     client ──► front.c (libmicrohttpd) ──► upstream.c (libcurl) ──► the server
 *            ◄──    exchange.pending     ◄──                     ◄──
 *                                          └► completion.c: times, tokens, why it ended
 *
 * One upstream, fixed at the start; redirects and proxies of the environment are not followed, nothing is sent twice,
 * TLS is verified. Bodies pass unchanged, and so do all headers except those of one hop.
 *
 * Ownership  proxy_open creates, proxy_close destroys; the configuration's texts are borrowed.
 * Threads    one: proxy_run is the loop of everything, and calls the watcher.
 * Bounds     connections, bytes of a request, 256 KiB of an answer that its client has not read (then the
 *            upstream waits), 48 KiB of headers each way, time to send a request, time without a byte.
 * Errors     a client is told in the protocol's own form: 400, 403, 405, 413, 502 (the upstream fails, or gives
 *            its answer a length that cannot be), 503 (no room), 504 (it is silent). An answer that breaks off is
 *            broken off to the client too.
 */
#ifndef RWKVMON_PROXY_PROXY_H
#define RWKVMON_PROXY_PROXY_H

#include "base/err.h"
#include "proxy/completion.h"

/* How a request ended. */
enum proxy_end { PROXY_ANSWERED, PROXY_CLIENT_LEFT, PROXY_FAILED };

struct proxy_outcome {
	enum proxy_end end;
	int status;      /* of the upstream's answer; 0: none came */
	const char *why; /* of a failure; "" else */
	uint64_t now_ns;
};

/* Who watches completions; other requests pass unwatched. */
struct proxy_watcher {
	void *ctx;
	void *(*begin)(void *ctx, struct completion *c,
		       struct slice request_id); /* may set c's piece, ctx, keep_text */
	void (*end)(void *ctx, void *begun, const struct completion *c, const struct proxy_outcome *o);
};

struct proxy_config {
	const char *listen;   /* ADDR:PORT */
	const char *upstream; /* http://HOST:PORT or https://HOST/PATH */
	const char *ca_file;  /* NULL: the system's certificates */
	size_t body_max;      /* bytes of a request */
	unsigned connections_max, silent_seconds;
	bool ask_logprobs;
	struct proxy_watcher watcher;
};

struct proxy;

int proxy_open(struct proxy **out, const struct proxy_config *config, struct err *err);
const char *proxy_url(const struct proxy *p); /* "http://127.0.0.1:8081" */

/* Until `stop` becomes readable. */
int proxy_run(struct proxy *p, int stop, struct err *err);

/* Requests that are under way are cut, and their watcher told. NULL is fine. */
void proxy_close(struct proxy *p);

#endif
