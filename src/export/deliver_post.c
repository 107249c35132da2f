/* deliver_post.c - POSTs, and what an answer means for the next attempt. */
#include "export/deliver_post.h"

#include "export/libcurl.h"
#include "export/url.h"

#include <stdio.h>
#include <stdlib.h>

#if RWKVMON_HAS_CURL

enum { ANSWER_MAX_BYTES = 4096, CONNECT_MS = 3000, POST_MS = 5000, LOOK_MS = 50 };

struct post {
	CURL *curl;
	CURLM *multi; /* runs the request in steps, so that closing does not wait for a receiver that hangs */
	char *url;
	struct curl_slist *headers;
	struct buf *answer; /* of the request that runs; NULL: not wanted */
	unsigned wait_ms;   /* of a request */
};

static size_t keep_answer(char *bytes, size_t size, size_t count, void *ctx)
{
	struct post *p = ctx;
	size_t n = size * count;

	if (p->answer && p->answer->used < ANSWER_MAX_BYTES)
		buf_add(p->answer, bytes,
			n < ANSWER_MAX_BYTES - p->answer->used ? n : ANSWER_MAX_BYTES - p->answer->used);
	return n;
}

static void set_up(struct post *p)
{
	CURL *c = p->curl;

	libcurl_restrict(c);
	libcurl_easy_setopt(c, CURLOPT_USERAGENT, "rwkvmon/" RWKVMON_VERSION);
	libcurl_easy_setopt(c, CURLOPT_POST, 1L);
	libcurl_easy_setopt(c, CURLOPT_HTTPHEADER, p->headers);
	libcurl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep_answer);
	libcurl_easy_setopt(c, CURLOPT_WRITEDATA, p);
#if LIBCURL_VERSION_NUM >= 0x075700
	libcurl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a name that is still being resolved does not delay closing */
#endif
}

int post_open(struct post **out, const char *what, const char *url, struct err *err)
{
	struct post *p;
	int rc = url_check(what, url, err);

	*out = NULL;
	if (rc)
		return rc;
	if (!libcurl_load()) {
		err_set(err, ERR_UNSUPPORTED, "%s: libcurl.so.4 cannot be loaded", what);
		return err_hint(err, "install it (Debian: libcurl4), or send alarms to file+ or command+");
	}
	p = calloc(1, sizeof *p);
	if (p) {
		p->curl = libcurl_easy_init();
		p->multi = libcurl_multi_init();
		p->url = strdup(url);
		p->headers = libcurl_slist_append(NULL, "Content-Type: application/json");
	}
	if (!p || !p->curl || !p->multi || !p->url || !p->headers) {
		post_close(p);
		return err_set(err, ERR_NOMEM, "%s: no memory for its connection", what);
	}
	p->wait_ms = POST_MS;
	set_up(p);
	*out = p;
	return 0;
}

void post_close(struct post *p)
{
	if (!p)
		return;
	if (p->curl)
		libcurl_easy_cleanup(p->curl);
	if (p->multi)
		libcurl_multi_cleanup(p->multi);
	libcurl_slist_free_all(p->headers);
	free(p->url);
	free(p);
}

int post_secure(struct post *p, const char *token, const char *ca, struct err *err)
{
	struct curl_slist *more = p->headers;
	struct buf header = { 0 };

	if (token) {
		buf_printf(&header, "Authorization: Bearer %s", token);
		more = header.failed ? NULL : libcurl_slist_append(p->headers, header.p);
		buf_free(&header);
	}
	if (!more || (ca && libcurl_easy_setopt(p->curl, CURLOPT_CAINFO, ca)))
		return err_set(err, ERR_NOMEM, "no memory for the connection");
	p->headers = more;
	libcurl_easy_setopt(p->curl, CURLOPT_HTTPHEADER, p->headers);
	return 0;
}

void post_wait(struct post *p, unsigned ms)
{
	p->wait_ms = ms;
}

static enum sent judge(struct post *p, CURLcode rc, struct attempt *a)
{
	curl_off_t wait_s = 0;
	long status = 0;

	if (rc) { /* the library's own words name no path and no token */
		bool late = rc == CURLE_OPERATION_TIMEDOUT;
		char said[ERR_SAID_BYTES];

		snprintf(a->why, sizeof a->why, "%s",
			 late ? err_words("it did not answer in time") : err_said(said, libcurl_easy_strerror(rc)));
		return SEND_LATER;
	}
	libcurl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
	a->status = status;
	if (status / 100 == 2)
		return SENT;
	snprintf(a->why, sizeof a->why, err_words("it answered with status %ld"), status);
	if (status != 408 && status != 429 && status / 100 != 5)
		return SEND_NEVER;
	libcurl_easy_getinfo(p->curl, CURLINFO_RETRY_AFTER, &wait_s);
	if (wait_s > 0)
		a->retry_after_ns = (uint64_t)(wait_s < 3600 ? wait_s : 3600) * UINT64_C(1000000000);
	return SEND_LATER;
}

/* Runs the request until it is done or the attempt's time is over, which may come sooner than it was at the start. */
static CURLcode perform(struct post *p, const struct attempt *a)
{
	CURLcode rc = CURLE_OPERATION_TIMEDOUT;
	int running = 1, left;
	const CURLMsg *done;

	if (libcurl_multi_add_handle(p->multi, p->curl))
		return CURLE_OUT_OF_MEMORY;
	while (running && attempt_ms(a, 1))
		if (libcurl_multi_perform(p->multi, &running) ||
		    (running && libcurl_multi_poll(p->multi, NULL, 0, (int)attempt_ms(a, LOOK_MS), NULL)))
			break;
	while ((done = libcurl_multi_info_read(p->multi, &left)))
		if (done->msg == CURLMSG_DONE)
			rc = done->data.result;
	libcurl_multi_remove_handle(p->multi, p->curl);
	return rc;
}

enum sent post_json(struct post *p, const char *url, struct slice body, struct buf *answer, struct attempt *a)
{
	unsigned ms = attempt_ms(a, p->wait_ms);
	CURLcode rc;

	if (!ms) {
		snprintf(a->why, sizeof a->why, "%s", err_words("it did not answer in time"));
		return SEND_LATER;
	}
	p->answer = answer;
	libcurl_address(p->curl, url ? url : p->url);
	libcurl_easy_setopt(p->curl, CURLOPT_TIMEOUT_MS, (long)ms);
	libcurl_easy_setopt(p->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(ms < CONNECT_MS ? ms : CONNECT_MS));
	libcurl_easy_setopt(p->curl, CURLOPT_POSTFIELDS, body.p);
	libcurl_easy_setopt(p->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	rc = perform(p, a);
	p->answer = NULL;
	return judge(p, rc, a);
}

#else /* built without */

int post_open(struct post **out, const char *what, const char *url, struct err *err)
{
	int rc = url_check(what, url, err);

	*out = NULL;
	if (rc)
		return rc;
	err_set(err, ERR_UNSUPPORTED, "%s: this build has no libcurl", what);
	return err_hint(
		err,
		"build again with its headers (Debian: libcurl4-openssl-dev), or send alarms to file+ or command+");
}

void post_close(struct post *p)
{
	(void)p;
}

int post_secure(struct post *p, const char *token, const char *ca, struct err *err)
{
	(void)p, (void)token, (void)ca, (void)err;
	return 0;
}

void post_wait(struct post *p, unsigned ms)
{
	(void)p, (void)ms;
}

enum sent post_json(struct post *p, const char *url, struct slice body, struct buf *answer, struct attempt *a)
{
	(void)p, (void)url, (void)body, (void)answer;
	snprintf(a->why, sizeof a->why, "%s", err_words("built without libcurl"));
	return SEND_NEVER;
}

#endif
