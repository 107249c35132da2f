#include "export/deliver_post.h"

#include <ctype.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_MAX_BYTES = 4096, CONNECT_MS = 3000, POST_MS = 5000 };

void post_redact(char *out, size_t n, const char *url)
{
	const char *scheme = strstr(url, "://"), *host, *at;
	size_t length;

	if (!scheme) {
		snprintf(out, n, "(no address)");
		return;
	}
	host = scheme + 3;
	length = strcspn(host, "/?#");
	for (at = host; at < host + length; at++)
		if (*at == '@') { /* name and password stand before the last one */
			length -= (size_t)(at + 1 - host);
			host = at + 1;
		}
	snprintf(out, n, "%.*s://%.*s", (int)(scheme - url), url, (int)length, host);
}

static int check_url(const char *what, const char *url, struct err *err)
{
	bool http = !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8);
	const char *host = http ? strstr(url, "://") + 3 : "";

	for (const char *p = url; *p; p++)
		http = http && !isspace((unsigned char)*p) && !iscntrl((unsigned char)*p);
	if (http && *host && *host != '/' && *host != ':')
		return 0;
	err_set(err, ERR_USAGE, "%s: expected an address that begins with http:// or https:// and has no blanks", what);
	return err_hint(err, "such as http://127.0.0.1:9093");
}

#if RWKVMON_HAS_CURL

#include <curl/curl.h>

struct post {
	CURL *curl;
	struct curl_slist *headers;
	struct buf *answer; /* of the request that runs; NULL: not wanted */
	const struct attempt *attempt;
};

/* The functions of libcurl, bound once. Linking it would cost every start of every program 20 libraries. */
static struct {
	void *library;
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	void (*easy_cleanup)(CURL *curl);
	CURLcode (*easy_setopt)(CURL *curl, CURLoption option, ...);
	CURLcode (*easy_perform)(CURL *curl);
	CURLcode (*easy_getinfo)(CURL *curl, CURLINFO info, ...);
	const char *(*easy_strerror)(CURLcode code);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free_all)(struct curl_slist *list);
	char *(*version)(void);
} curl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loaded;

static void load(void)
{
	static const struct {
		const char *name;
		void *slot;
	} symbols[] = {
		{ "curl_global_init", &curl.global_init },   { "curl_easy_init", &curl.easy_init },
		{ "curl_easy_cleanup", &curl.easy_cleanup }, { "curl_easy_setopt", &curl.easy_setopt },
		{ "curl_easy_perform", &curl.easy_perform }, { "curl_easy_getinfo", &curl.easy_getinfo },
		{ "curl_easy_strerror", &curl.easy_strerror }, { "curl_slist_append", &curl.slist_append },
		{ "curl_slist_free_all", &curl.slist_free_all }, { "curl_version", &curl.version },
	};

	curl.library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!curl.library)
		return;
	for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
		void *symbol = dlsym(curl.library, symbols[i].name);

		if (!symbol)
			return;
		memcpy(symbols[i].slot, &symbol, sizeof symbol);
	}
	loaded = !curl.global_init(CURL_GLOBAL_DEFAULT);
}

void deliver_version(char *text, size_t n)
{
	pthread_once(&once, load);
	snprintf(text, n, "%s", loaded ? curl.version() : "none (libcurl.so.4 is not installed)");
	text[strcspn(text, " ")] = loaded ? 0 : text[strcspn(text, " ")];
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *ctx)
{
	struct post *p = ctx;
	size_t n = size * count;

	if (p->answer && p->answer->used < ANSWER_MAX_BYTES)
		buf_add(p->answer, bytes, n < ANSWER_MAX_BYTES - p->answer->used ? n : ANSWER_MAX_BYTES - p->answer->used);
	return n;
}

/* Not 0: stop. The handle is being closed and its patience is at an end. */
static int keep_going(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)a, (void)b, (void)c, (void)d;
	return !attempt_ms(((const struct post *)ctx)->attempt, 1);
}

static void set_up(struct post *p, const char *url)
{
	CURL *c = p->curl;

	curl.easy_setopt(c, CURLOPT_URL, url);
	curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl.easy_setopt(c, CURLOPT_POST, 1L);
	curl.easy_setopt(c, CURLOPT_HTTPHEADER, p->headers);
	curl.easy_setopt(c, CURLOPT_USERAGENT, "rwkvmon/" RWKVMON_VERSION);
	curl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, take_answer);
	curl.easy_setopt(c, CURLOPT_WRITEDATA, p);
	curl.easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl.easy_setopt(c, CURLOPT_XFERINFOFUNCTION, keep_going);
	curl.easy_setopt(c, CURLOPT_XFERINFODATA, p);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl.easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	curl.easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a name that is still being looked up does not hold up the close */
#endif
}

int post_open(struct post **out, const char *what, const char *url, struct err *err)
{
	struct post *p;
	int rc = check_url(what, url, err);

	*out = NULL;
	if (rc)
		return rc;
	pthread_once(&once, load);
	if (!loaded) {
		err_set(err, ERR_UNSUPPORTED, "%s: libcurl.so.4 cannot be loaded", what);
		return err_hint(err, "install it (Debian: libcurl4), or use an alarm file or an alarm command");
	}
	p = calloc(1, sizeof *p);
	if (p) {
		p->curl = curl.easy_init();
		p->headers = curl.slist_append(NULL, "Content-Type: application/json");
	}
	if (!p || !p->curl || !p->headers) {
		post_close(p);
		return err_set(err, ERR_NOMEM, "%s: no memory for its connection", what);
	}
	set_up(p, url);
	*out = p;
	return 0;
}

void post_close(struct post *p)
{
	if (!p)
		return;
	if (p->curl)
		curl.easy_cleanup(p->curl);
	curl.slist_free_all(p->headers);
	free(p);
}

static enum sent judge(struct post *p, CURLcode rc, struct attempt *a)
{
	curl_off_t wait_s = 0;
	long status = 0;

	if (rc) { /* the library's own words name no path and no token */
		bool late = rc == CURLE_ABORTED_BY_CALLBACK || rc == CURLE_OPERATION_TIMEDOUT;

		snprintf(a->why, sizeof a->why, "%s", late ? "it did not answer in time" : curl.easy_strerror(rc));
		return SEND_LATER;
	}
	curl.easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 == 2)
		return SENT;
	snprintf(a->why, sizeof a->why, "it answered with status %ld", status);
	if (status != 408 && status != 429 && status / 100 != 5)
		return SEND_NEVER;
	curl.easy_getinfo(p->curl, CURLINFO_RETRY_AFTER, &wait_s);
	if (wait_s > 0)
		a->retry_after_ns = (uint64_t)(wait_s < 3600 ? wait_s : 3600) * UINT64_C(1000000000);
	return SEND_LATER;
}

enum sent post_json(struct post *p, struct slice body, struct buf *answer, struct attempt *a)
{
	unsigned ms = attempt_ms(a, POST_MS);
	CURLcode rc;

	if (!ms) {
		snprintf(a->why, sizeof a->why, "it did not answer in time");
		return SEND_LATER;
	}
	p->answer = answer;
	p->attempt = a;
	curl.easy_setopt(p->curl, CURLOPT_TIMEOUT_MS, (long)ms);
	curl.easy_setopt(p->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(ms < CONNECT_MS ? ms : CONNECT_MS));
	curl.easy_setopt(p->curl, CURLOPT_POSTFIELDS, body.p);
	curl.easy_setopt(p->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	rc = curl.easy_perform(p->curl);
	p->answer = NULL;
	p->attempt = NULL;
	return judge(p, rc, a);
}

/* What an answer that is being fetched may still take. */
struct fetch {
	struct buf *out;
	size_t left;
};

static size_t take_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct fetch *f = ctx;
	size_t n = size * count;

	if (n > f->left)
		return 0; /* too much: curl ends with CURLE_WRITE_ERROR */
	f->left -= n;
	buf_add(f->out, bytes, n);
	return f->out->failed ? 0 : n;
}

static int fetch_with(CURL *c, struct fetch *f, const char *url, unsigned timeout_ms, struct err *err)
{
	char shown[160];
	long status = 0;
	CURLcode rc;

	post_redact(shown, sizeof shown, url);
	curl.easy_setopt(c, CURLOPT_URL, url);
	curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl.easy_setopt(c, CURLOPT_USERAGENT, "rwkvmon/" RWKVMON_VERSION);
	curl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	curl.easy_setopt(c, CURLOPT_WRITEDATA, f);
	curl.easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl.easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	rc = curl.easy_perform(c);
	if (rc == CURLE_WRITE_ERROR)
		return err_set(err, ERR_FORMAT, "%s: its answer is too long", shown);
	if (rc)
		return err_set(err, ERR_OPEN, "%s: %s", shown, curl.easy_strerror(rc));
	curl.easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	return status == 200 ? 0 : err_set(err, ERR_OPEN, "%s: it answered with status %ld", shown, status);
}

int http_fetch(struct buf *out, const char *url, size_t limit, unsigned timeout_ms, struct err *err)
{
	struct fetch f = { out, limit };
	int rc = check_url("watch", url, err);
	CURL *c;

	if (rc)
		return rc;
	pthread_once(&once, load);
	c = loaded ? curl.easy_init() : NULL;
	if (!c) {
		err_set(err, ERR_UNSUPPORTED, "libcurl.so.4 cannot be loaded: nothing can be fetched");
		return err_hint(err, "install it (Debian: libcurl4)");
	}
	rc = fetch_with(c, &f, url, timeout_ms, err);
	curl.easy_cleanup(c);
	return rc;
}

#else /* built without */

int http_fetch(struct buf *out, const char *url, size_t limit, unsigned timeout_ms, struct err *err)
{
	(void)out, (void)url, (void)limit, (void)timeout_ms;
	err_set(err, ERR_UNSUPPORTED, "this build has no libcurl: nothing can be fetched");
	return err_hint(err, "build again with its headers (Debian: libcurl4-openssl-dev)");
}

void deliver_version(char *text, size_t n)
{
	snprintf(text, n, "none (built without libcurl)");
}

int post_open(struct post **out, const char *what, const char *url, struct err *err)
{
	int rc = check_url(what, url, err);

	*out = NULL;
	if (rc)
		return rc;
	err_set(err, ERR_UNSUPPORTED, "%s: this build has no libcurl", what);
	return err_hint(err, "build again with its headers (Debian: libcurl4-openssl-dev), or use an alarm file or command");
}

void post_close(struct post *p)
{
	(void)p;
}

enum sent post_json(struct post *p, struct slice body, struct buf *answer, struct attempt *a)
{
	(void)p, (void)body, (void)answer;
	snprintf(a->why, sizeof a->why, "built without libcurl");
	return SEND_NEVER;
}

#endif
