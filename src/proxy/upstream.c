/* upstream.c - requests to the one server, by libcurl, which is loaded when it is needed. */
#include "proxy/inside.h"

#if !RWKVMON_HAS_CURL

int upstream_open(struct proxy *p, struct err *err)
{
	(void)p;
	err_set(err, ERR_UNSUPPORTED, "this build has no libcurl: nothing can be sent on");
	return err_hint(err, "build again with its headers (Debian: libcurl4-openssl-dev)");
}

void upstream_close(struct proxy *p)
{
	(void)p;
}

bool upstream_send(struct exchange *x)
{
	(void)x;
	return false;
}

bool upstream_add_header(struct exchange *x, const char *name, const char *value)
{
	(void)x, (void)name, (void)value;
	return false;
}

bool upstream_leave_out(struct exchange *x, const char *name)
{
	(void)x, (void)name;
	return false;
}

void upstream_cancel(struct exchange *x)
{
	(void)x;
}

void upstream_event(struct proxy *p, int fd, unsigned events)
{
	(void)p, (void)fd, (void)events;
}

void upstream_turn(struct proxy *p)
{
	(void)p;
}

void upstream_go_on(struct exchange *x)
{
	(void)x;
}

int upstream_wait_ms(const struct proxy *p)
{
	(void)p;
	return -1;
}

#else

#include "export/libcurl.h"
#include "proxy/headers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { CONNECT_MS = 5000, REQUEST_BUFFER_BYTES = 64 << 10 };

struct upstream {
	CURLM *multi;
	uint64_t timer_ns; /* 0: none */
};

/* --- the loop's side ------------------------------------------------------------------ */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct proxy *p = ctx;
	struct epoll_event e = { .events = (what & CURL_POLL_IN ? (unsigned)EPOLLIN : 0) |
					   (what & CURL_POLL_OUT ? (unsigned)EPOLLOUT : 0),
				 .data.u64 = (uint64_t)fd << SOURCE_BITS | SOURCE_UPSTREAM };

	(void)easy, (void)known;
	if (what == CURL_POLL_REMOVE)
		epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, &e);
	else if (epoll_ctl(p->epoll, EPOLL_CTL_MOD, fd, &e) && errno == ENOENT)
		epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e);
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *ctx)
{
	struct proxy *p = ctx;

	(void)multi;
	p->upstream->timer_ns = ms < 0 ? 0 : proxy_now_ns() + (uint64_t)ms * 1000000 + 1;
	return 0;
}

/* When the request has been without data for too long; one that is held back waits for its client. */
static uint64_t silent_ns(const struct exchange *x)
{
	return !x->easy || x->paused ? UINT64_MAX
				     : x->heard_ns + x->proxy->config.silent_seconds * UINT64_C(1000000000);
}

int upstream_wait_ms(const struct proxy *p)
{
	uint64_t now = proxy_now_ns(), timer = p->upstream->timer_ns;

	for (const struct exchange *x = p->exchanges; x; x = x->next)
		if (silent_ns(x) != UINT64_MAX && (!timer || silent_ns(x) < timer))
			timer = silent_ns(x);
	return !timer ? -1 : timer <= now ? 0 : (int)((timer - now) / 1000000 + 1);
}

void upstream_event(struct proxy *p, int fd, unsigned events)
{
	int running, what = (events & (unsigned)EPOLLIN ? CURL_CSELECT_IN : 0) |
			    (events & (unsigned)EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			    (events & (unsigned)(EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

	libcurl_multi_socket_action(p->upstream->multi, fd, what, &running);
}

/* --- an answer comes in --------------------------------------------------------------- */

/* A length that cannot be: no number, more than a file can have, another one than before. Taken as none, an answer that
 * breaks off would look complete. */
static void note_length(struct exchange *x, struct slice value)
{
	bool is_number = value.n && value.n < 19 && strspn(value.p, "0123456789") >= value.n;
	uint64_t length = is_number ? strtoull(value.p, NULL, 10) : UINT64_MAX;

	x->bad_length |= !is_number || (x->has_length && length != x->length);
	x->has_length = true;
	x->length = length;
}

static void note_header(struct exchange *x, struct slice line)
{
	struct slice name, value;

	if (!header_split(line, &name, &value))
		return;
	if (header_is(name, "Content-Length"))
		note_length(x, value);
	x->has_coding |= header_is(name, "Transfer-Encoding");
}

/* The line "Name: value" of that name among those of the answer; "" when there is none. */
static struct slice answer_header(const struct exchange *x, const char *wanted)
{
	struct slice rest = buf_slice(&x->answer_headers), name, value;

	while (rest.n) {
		const char *end = memchr(rest.p, '\n', rest.n);
		size_t n = end ? (size_t)(end - rest.p) + 1 : rest.n;

		if (header_split((struct slice){ rest.p, n }, &name, &value) && header_is(name, wanted))
			return value;
		rest = (struct slice){ rest.p + n, rest.n - n };
	}
	return (struct slice){ "", 0 };
}

static void begin_answer(struct exchange *x)
{
	long status = 0;

	libcurl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200) {
		buf_clear(&x->answer_headers); /* 100 Continue: the answer is still to come */
		return;
	}
	if (x->has_coding)
		x->length = UINT64_MAX;
	x->status = (int)status;
	x->stage = STAGE_ANSWERING;
	x->ready = true;
	completion_answer(&x->seen, answer_header(x, "Content-Type"), answer_header(x, "Content-Encoding"));
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	size_t n = size * count;

	x->heard_ns = proxy_now_ns();
	x->header_bytes += n;
	if (x->header_bytes > HEADERS_MAX)
		return 0;
	if (x->stage != STAGE_WAITING) /* trailers */
		return n;
	if (n >= 5 && !memcmp(bytes, "HTTP/", 5)) {
		buf_clear(&x->answer_headers);
		x->length = UINT64_MAX;
		x->has_length = x->bad_length = x->has_coding = false;
	} else if (n <= 2 && (*bytes == '\r' || *bytes == '\n')) {
		if (x->bad_length)
			return 0;
		begin_answer(x);
	} else {
		note_header(x, (struct slice){ bytes, n });
		buf_add(&x->answer_headers, bytes, n);
	}
	return x->answer_headers.failed ? 0 : n;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	size_t n = size * count;

	x->heard_ns = proxy_now_ns();
	if (exchange_waiting(x) >= PENDING_MAX) {
		x->paused = true;
		completion_hold_back(&x->seen);
		return CURL_WRITEFUNC_PAUSE;
	}
	exchange_hold(x, bytes, n);
	return x->pending.failed ? 0 : n;
}

void upstream_go_on(struct exchange *x)
{
	x->paused = false;
	x->heard_ns = proxy_now_ns();
	libcurl_easy_pause(x->easy, CURLPAUSE_CONT);
}

/* --- a request goes out --------------------------------------------------------------- */

static size_t on_upload(char *to, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;
	size_t n = x->body.used - x->uploaded < size * count ? x->body.used - x->uploaded : size * count;

	x->heard_ns = proxy_now_ns();
	memcpy(to, x->body.p + x->uploaded, n);
	x->uploaded += n;
	return n;
}

/* curl would send a body again when a kept connection turns out to be dead: what may have arrived is not repeated. */
static int on_rewind(void *ctx, curl_off_t offset, int origin)
{
	const struct exchange *x = ctx;

	(void)origin;
	return offset || x->uploaded ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

static bool add_line(struct exchange *x, const char *name, const char *between, const char *value)
{
	struct curl_slist *longer;
	struct buf line = { 0 };

	buf_printf(&line, "%s%s%s", name, between, value);
	longer = line.failed ? NULL : libcurl_slist_append(x->headers, line.p);
	buf_free(&line);
	x->headers = longer ? longer : x->headers;
	return longer;
}

bool upstream_add_header(struct exchange *x, const char *name, const char *value)
{
	return add_line(x, name, *value ? ": " : ";", value); /* "Name;" is curl's form of an empty header */
}

bool upstream_leave_out(struct exchange *x, const char *name)
{
	return add_line(x, name, ":", "");
}

static void set_method(struct exchange *x)
{
	if (!strcmp(x->method, "HEAD")) {
		libcurl_easy_setopt(x->easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (x->has_body || !strcmp(x->method, "POST") || !strcmp(x->method, "PUT") || !strcmp(x->method, "PATCH")) {
		libcurl_easy_setopt(x->easy, CURLOPT_POST, 1L);
		libcurl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.used);
		libcurl_easy_setopt(x->easy, CURLOPT_READFUNCTION, on_upload);
		libcurl_easy_setopt(x->easy, CURLOPT_READDATA, x);
		libcurl_easy_setopt(x->easy, CURLOPT_SEEKFUNCTION, on_rewind);
		libcurl_easy_setopt(x->easy, CURLOPT_SEEKDATA, x);
	}
	libcurl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, x->method);
}

/* Talks to the upstream only: no redirect, no proxy, no other protocol, no name and password from a .netrc. */
static void set_limits(struct exchange *x)
{
	const struct proxy *p = x->proxy;

	libcurl_restrict(x->easy);
	libcurl_easy_setopt(x->easy, CURLOPT_PROXY, "");
	libcurl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	libcurl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	libcurl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	if (p->config.ca_file)
		libcurl_easy_setopt(x->easy, CURLOPT_CAINFO, p->config.ca_file);
	libcurl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	/* A kept connection may be closed at the moment at which a request goes out; a new one is cheap, except with
	 * TLS. */
	libcurl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, p->https ? 0L : 1L);
	libcurl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, p->https ? 0L : 1L);
}

static void set_callbacks(struct exchange *x)
{
	libcurl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
	libcurl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_header);
	libcurl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
	libcurl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body);
	libcurl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
	libcurl_easy_setopt(x->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)REQUEST_BUFFER_BYTES);
}

bool upstream_send(struct exchange *x)
{
	struct proxy *p = x->proxy;
	struct buf target = { 0 };
	bool ok;

	x->heard_ns = proxy_now_ns();
	x->easy = libcurl_easy_init();
	buf_printf(&target, "%s%s", p->prefix, x->target);
	ok = x->easy && !target.failed;
	if (ok) {
		set_limits(x);
		set_callbacks(x);
		set_method(x);
		libcurl_easy_setopt(x->easy, CURLOPT_URL, p->origin);
		libcurl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
		ok = !libcurl_easy_setopt(x->easy, CURLOPT_REQUEST_TARGET, target.p) &&
		     !libcurl_multi_add_handle(p->upstream->multi, x->easy);
	}
	buf_free(&target);
	if (!ok && x->easy) {
		libcurl_easy_cleanup(x->easy);
		x->easy = NULL;
	}
	return ok;
}

static void free_request(struct exchange *x)
{
	if (x->easy) {
		libcurl_multi_remove_handle(x->proxy->upstream->multi, x->easy);
		libcurl_easy_cleanup(x->easy);
	}
	if (x->headers)
		libcurl_slist_free_all(x->headers);
	x->easy = x->headers = NULL;
	x->paused = false;
}

void upstream_cancel(struct exchange *x)
{
	free_request(x);
	if (!x->done)
		x->broken = x->done = true;
}

static const char *reason(const struct exchange *x, CURLcode rc)
{
	if (x->header_bytes > HEADERS_MAX)
		return "the headers of its answer are too long";
	if (x->bad_length)
		return "the length that it gives for its answer cannot be";
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return "it is silent";
	if (rc == CURLE_PARTIAL_FILE || (rc == CURLE_RECV_ERROR && x->status))
		return "it broke off its answer";
	if (rc == CURLE_SEND_FAIL_REWIND || rc == CURLE_RECV_ERROR)
		return "it closed the connection";
	return libcurl_easy_strerror(rc);
}

/* Before the answer began, the client gets an error; after that, the answer can only be cut off, so that the client
 * does not take it for complete. */
static void end_request(struct exchange *x, CURLcode rc)
{
	char why[sizeof x->why];

	free_request(x);
	x->done = x->ready = true;
	if (rc) {
		x->broken = true;
		snprintf(why, sizeof why, "the upstream %.120s failed: %.100s", x->proxy->origin, reason(x, rc));
		if (x->stage == STAGE_WAITING)
			exchange_fail(x, rc == CURLE_OPERATION_TIMEDOUT ? 504 : 502, why);
		else
			snprintf(x->why, sizeof x->why, "%s", why);
	} else if (x->stage == STAGE_WAITING) {
		exchange_fail(x, 502, "the upstream gave no answer");
		rc = CURLE_GOT_NOTHING;
	}
	exchange_end_watch(x, rc ? PROXY_FAILED : PROXY_ANSWERED);
}

void upstream_turn(struct proxy *p)
{
	struct upstream *u = p->upstream;
	const CURLMsg *m;
	uint64_t now_ns;
	int running, left;

	if (u->timer_ns && u->timer_ns <= proxy_now_ns()) {
		u->timer_ns = 0;
		libcurl_multi_socket_action(u->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	while ((m = libcurl_multi_info_read(u->multi, &left)))
		if (m->msg == CURLMSG_DONE) {
			CURLcode rc = m->data.result;
			char *of = NULL;

			libcurl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &of);
			end_request((struct exchange *)(void *)of, rc);
		}
	now_ns = proxy_now_ns();
	for (struct exchange *x = p->exchanges; x; x = x->next)
		if (silent_ns(x) <= now_ns)
			end_request(x, CURLE_OPERATION_TIMEDOUT);
}

int upstream_open(struct proxy *p, struct err *err)
{
	struct upstream *u;

	if (!libcurl_load()) {
		err_set(err, ERR_UNSUPPORTED, "libcurl.so.4 cannot be loaded: nothing can be sent on");
		return err_hint(err, "install it (Debian: libcurl4)");
	}
	u = p->upstream = calloc(1, sizeof *u);
	if (u)
		u->multi = libcurl_multi_init();
	if (!u || !u->multi)
		return err_set(err, ERR_NOMEM, "no memory for the upstream");
	libcurl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	libcurl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, p);
	libcurl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	libcurl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, p);
	libcurl_multi_setopt(u->multi, CURLMOPT_MAXCONNECTS, (long)p->config.connections_max);
	return 0;
}

void upstream_close(struct proxy *p)
{
	if (p->upstream && p->upstream->multi)
		libcurl_multi_cleanup(p->upstream->multi);
	free(p->upstream);
	p->upstream = NULL;
}

#endif
