/* http_ask.h - GETs by libcurl, which is loaded when it is first needed. Only http and https; redirects are not
 * followed.
 */
#ifndef RWKVMON_EXPORT_HTTP_ASK_H
#define RWKVMON_EXPORT_HTTP_ASK_H

#include "base/buf.h"
#include "base/err.h"

/* A GET whose answer is taken piece by piece; `take` returns false to end it. */
struct http_ask {
	const char *what; /* names it in errors: "watch" */
	const char *url;
	const char *token, *ca; /* as post_secure; NULL: none */
	unsigned silent_ms;     /* without any byte of an answer */
	unsigned whole_ms;      /* until all of it is in */
	bool (*take)(void *ctx, struct slice piece);
	void *ctx;
};

/* 0: the whole answer with status 200 was taken. What `take` ended is ERR_FORMAT. It ends after whole_ms at the latest,
 * however slowly bytes come. */
int http_ask(const struct http_ask *ask, struct err *err);

/* GET: the body of an answer with status 200, at most `limit` bytes of it, within timeout_ms. Appends to *out. */
int http_fetch(struct buf *out, const char *url, size_t limit, unsigned timeout_ms, struct err *err);

#endif
