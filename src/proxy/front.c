/* front.c - requests of clients, by libmicrohttpd. */
#include "proxy/inside.h"

#include "export/microhttpd.h"

#ifndef RWKVMON_HTTP

int front_open(struct proxy *p, struct err *err)
{
	(void)p;
	return microhttpd_load(err);
}

void front_close(struct proxy *p)
{
	(void)p;
}

int front_epoll(const struct proxy *p)
{
	(void)p;
	return -1;
}

int front_wait_ms(const struct proxy *p)
{
	(void)p;
	return -1;
}

void front_turn(struct proxy *p)
{
	(void)p;
}

void front_resume(struct exchange *x)
{
	(void)x;
}

void front_shut_overdue(struct proxy *p)
{
	(void)p;
}

#else

#include "base/json.h"
#include "proxy/head.h"
#include "proxy/headers.h"

#include <stdlib.h>
#include <sys/socket.h>

enum {
	HEAD_SECONDS = 60,  /* to send the first line and the headers, also of a kept connection's next request */
	BODY_SECONDS = 300, /* to send the rest */
	STILL_SECONDS = 60, /* without a byte taken or sent */
	BLOCK = 16 << 10,
};

struct front {
	struct MHD_Daemon *daemon;
	int epoll;
};

/* One accepted socket, and by when its request must be in. */
struct connection {
	struct connection *next, **link;
	int fd;
	uint64_t deadline_ns;
};

static uint64_t in_seconds(uint64_t s)
{
	return proxy_now_ns() + s * UINT64_C(1000000000);
}

static struct slice header_of(struct MHD_Connection *mhd, const char *name)
{
	const char *value = mhd_lookup_connection_value(mhd, MHD_HEADER_KIND, name);

	return slice_of(value ? value : "");
}

/* --- answers -------------------------------------------------------------------------- */

static enum MHD_Result queue(struct MHD_Connection *mhd, int status, struct MHD_Response *answer)
{
	enum MHD_Result rc = mhd_queue_response(mhd, (unsigned)status, answer);

	mhd_destroy_response(answer);
	return rc;
}

/* In the form in which clients of the protocol look for it. */
static enum MHD_Result refuse(struct MHD_Connection *mhd, int status, const char *why, bool closes)
{
	struct buf body = { 0 };
	struct json out = { .out = &body };
	struct MHD_Response *answer;

	jw_object(&out);
	jw_put_object(&out, "error");
	jw_put_text(&out, "message", why);
	jw_put_text(&out, "type", "rwkvmon_proxy");
	jw_put_u64(&out, "code", (uint64_t)status);
	jw_end(&out);
	jw_end(&out);
	buf_char(&body, '\n');
	if (body.failed) {
		buf_free(&body);
		return MHD_NO;
	}
	answer = mhd_create_response_from_buffer(body.used, body.p, MHD_RESPMEM_MUST_FREE);
	if (!answer) {
		buf_free(&body);
		return MHD_NO;
	}
	mhd_add_response_header(answer, "Content-Type", "application/json");
	if (closes)
		mhd_add_response_header(answer, "Connection", "close");
	return queue(mhd, status, answer);
}

/* Until it is ready. False: the front is to stop, which it can only when it holds none. */
static bool hold(struct exchange *x)
{
	if (x->proxy->stopping)
		return false;
	x->suspended = true;
	x->ready = false;
	mhd_suspend_connection(x->mhd);
	return true;
}

static ssize_t read_answer(void *ctx, uint64_t position, char *to, size_t max)
{
	struct exchange *x = ctx;
	size_t n = exchange_waiting(x) < max ? exchange_waiting(x) : max;

	(void)position;
	if (n) {
		memcpy(to, x->pending.p + x->sent, n);
		x->sent += n;
		return (ssize_t)n;
	}
	if (x->left || x->broken)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (x->done)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return hold(x) ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void pass_header(struct MHD_Response *answer, struct slice name, struct slice value, struct buf *text)
{
	buf_clear(text);
	buf_add(text, name.p, name.n);
	buf_char(text, 0);
	buf_add(text, value.p, value.n);
	if (!text->failed && !header_is(name, "Content-Length"))
		mhd_add_response_header(answer, text->p, text->p + name.n + 1);
}

/* The Connection headers of an answer may be several. */
static void add_connection(struct buf *all, struct slice name, struct slice value)
{
	if (!header_is(name, "Connection"))
		return;
	if (all->used)
		buf_char(all, ',');
	buf_add(all, value.p, value.n);
}

static bool next_line(struct slice *rest, struct slice *name, struct slice *value)
{
	while (rest->n) {
		const char *end = memchr(rest->p, '\n', rest->n);
		size_t n = end ? (size_t)(end - rest->p) + 1 : rest->n;
		struct slice line = { rest->p, n };

		*rest = (struct slice){ rest->p + n, rest->n - n };
		if (header_split(line, name, value))
			return true;
	}
	return false;
}

static void pass_headers(struct exchange *x, struct MHD_Response *answer)
{
	struct buf text = { 0 }, connection = { 0 };
	struct slice rest = buf_slice(&x->answer_headers), name, value;

	while (next_line(&rest, &name, &value))
		add_connection(&connection, name, value);
	rest = buf_slice(&x->answer_headers);
	while (next_line(&rest, &name, &value))
		if (!header_is_hop_by_hop(name, buf_slice(&connection)))
			pass_header(answer, name, value, &text);
	buf_free(&text);
	buf_free(&connection);
}

static enum MHD_Result answer(struct exchange *x)
{
	bool empty = x->status == MHD_HTTP_NO_CONTENT || x->status == MHD_HTTP_NOT_MODIFIED;
	struct MHD_Response *response =
		empty ? mhd_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
		      : mhd_create_response_from_callback(x->length == UINT64_MAX ? MHD_SIZE_UNKNOWN : x->length, BLOCK,
							  read_answer, x, NULL);

	if (!response)
		return MHD_NO;
	pass_headers(x, response);
	x->stage = STAGE_ANSWERED;
	return queue(x->mhd, x->status, response);
}

/* --- requests ------------------------------------------------------------------------- */

struct passing {
	struct exchange *x;
	struct slice connection;
	bool accept, type, failed;
};

/* Leaves out headers of this hop, and headers that the other side of the proxy sets itself. */
static enum MHD_Result pass_request_header(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	static const char *const own[] = { "Host", "Content-Length", "Expect" };
	struct passing *p = ctx;

	(void)kind;
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (header_is(slice_of(name), own[i]))
			return MHD_YES;
	if (header_is_hop_by_hop(slice_of(name), p->connection))
		return MHD_YES;
	p->accept |= header_is(slice_of(name), "Accept");
	p->type |= header_is(slice_of(name), "Content-Type");
	p->failed |= !upstream_add_header(p->x, name, value ? value : "");
	return p->failed ? MHD_NO : MHD_YES;
}

static enum MHD_Result gather_connection(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	add_connection(ctx, slice_of(name), slice_of(value ? value : ""));
	return MHD_YES;
}

static bool pass_request_headers(struct exchange *x)
{
	struct buf connection = { 0 };
	struct passing p = { .x = x };

	mhd_get_connection_values(x->mhd, MHD_HEADER_KIND, gather_connection, &connection);
	p.connection = buf_slice(&connection);
	p.failed = connection.failed;
	if (!p.failed)
		mhd_get_connection_values(x->mhd, MHD_HEADER_KIND, pass_request_header, &p);
	buf_free(&connection);
	return !p.failed && upstream_leave_out(x, "Expect") && (p.accept || upstream_leave_out(x, "Accept")) &&
	       (p.type || upstream_leave_out(x, "Content-Type"));
}

static enum MHD_Result wait_for_upstream(struct exchange *x)
{
	x->stage = STAGE_WAITING;
	exchange_watch_client(x, true);
	return hold(x) ? MHD_YES : MHD_NO;
}

static enum MHD_Result send_on(struct exchange *x)
{
	struct proxy *p = x->proxy;
	enum completion_kind kind = completion_kind_of(slice_of(x->target));

	if (p->stopping)
		return refuse(x->mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "the proxy was stopped", true);
	if (x->body.failed)
		return refuse(x->mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the request", false);
	if (p->config.ask_logprobs && kind != COMPLETION_NONE)
		completion_ask_logprobs(&x->body, kind);
	exchange_begin_watch(x, header_of(x->mhd, "X-Request-Id"));
	if (!pass_request_headers(x) || !upstream_send(x)) {
		exchange_fail(x, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the request");
		exchange_end_watch(x, PROXY_FAILED);
		x->stage = STAGE_ANSWERED;
		return refuse(x->mhd, x->refusal, x->why, false);
	}
	return wait_for_upstream(x);
}

static bool is_known_method(const char *method)
{
	static const char *const known[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(method, known[i]))
			return true;
	return false;
}

/* Must begin with '/' and hold only characters that a request line may hold. */
static bool is_plain_target(const char *target)
{
	if (*target != '/')
		return false;
	for (const unsigned char *c = (const unsigned char *)target; *c; c++)
		if (*c <= ' ' || *c == 127)
			return false;
	return true;
}

static enum MHD_Result add_to_head(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	head_add(ctx, name, value);
	return MHD_YES;
}

/* NULL, or why the request could be read in two ways. */
static const char *ambiguity_of(const struct exchange *x, struct MHD_Connection *mhd, const char *method,
				const char *version)
{
	const union MHD_ConnectionInfo *info = mhd_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	struct head head;

	if (!info)
		return "the length of the request's head is unknown";
	head_begin(&head, (struct slice){ x->received, strlen(x->target) }, version);
	mhd_get_connection_values(mhd, MHD_HEADER_KIND, add_to_head, &head);
	return head_end(&head, method + info->header_size); /* which begins with the method */
}

static int fault_of(const struct exchange *x, struct MHD_Connection *mhd, const char *method, const char *version,
		    const char **why)
{
	struct slice length = header_of(mhd, "Content-Length");

	if (!is_known_method(method))
		return *why = "expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS", MHD_HTTP_METHOD_NOT_ALLOWED;
	if (!is_plain_target(x->target))
		return *why = "expected a target that begins with / and holds no blanks", MHD_HTTP_BAD_REQUEST;
	*why = ambiguity_of(x, mhd, method, version);
	if (*why)
		return MHD_HTTP_BAD_REQUEST;
	if (x->proxy->loopback && !address_host_is_loopback(header_of(mhd, "Host")))
		return *why = "the Host header names another machine; --bind an address of the network to allow that",
		       MHD_HTTP_FORBIDDEN;
	if (length.n && strtoull(length.p, NULL, 10) > x->proxy->config.body_max)
		return *why = "the request is larger than --max-body", MHD_HTTP_CONTENT_TOO_LARGE;
	return 0;
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = mhd_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void set_deadline(struct MHD_Connection *mhd, uint64_t deadline_ns)
{
	struct connection *c = connection_of(mhd);

	if (c)
		c->deadline_ns = deadline_ns;
}

static enum MHD_Result begin(struct exchange *x, struct MHD_Connection *mhd, const char *method, const char *version)
{
	const union MHD_ConnectionInfo *info = mhd_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	const char *why;
	int status = fault_of(x, mhd, method, version, &why);

	x->mhd = mhd;
	x->fd = info ? info->connect_fd : -1;
	snprintf(x->method, sizeof x->method, "%s", method);
	x->has_body = header_of(mhd, "Content-Length").n || header_of(mhd, "Transfer-Encoding").n;
	x->stage = STAGE_RECEIVING;
	set_deadline(mhd, in_seconds(BODY_SECONDS));
	if (!status)
		return MHD_YES;
	x->stage = STAGE_ANSWERED;
	return refuse(mhd, status, why, true);
}

/* A body that is too large is answered at its end, if that comes soon: most clients do not read before they have sent
 * everything. */
static enum MHD_Result receive_body(struct exchange *x, const char *bytes, size_t n)
{
	struct proxy *p = x->proxy;

	if (x->refusal) {
		x->uploaded += n;
		return x->uploaded > p->config.body_max ? MHD_NO : MHD_YES;
	}
	if (n > p->config.body_max - x->body_bytes) {
		x->refusal = MHD_HTTP_CONTENT_TOO_LARGE;
		snprintf(x->why, sizeof x->why, "the request is larger than --max-body");
	} else if (p->bodies_bytes + n > p->config.body_max * BODIES_MAX) {
		x->refusal = MHD_HTTP_SERVICE_UNAVAILABLE;
		snprintf(x->why, sizeof x->why, "too many large requests at a time; try again later");
	} else {
		buf_add(&x->body, bytes, n);
		x->body_bytes += n;
		p->bodies_bytes += n;
	}
	return MHD_YES;
}

/* Called when the headers are in, for every piece of a body, at its end, and when a suspended one goes on. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *path, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct exchange *x = *state;
	size_t n = *upload_size;

	(void)ctx, (void)path;
	if (!x)
		return MHD_NO; /* no memory */
	if (x->stage == STAGE_NEW)
		return begin(x, mhd, method, version);
	if (x->left)
		return MHD_NO;
	*upload_size = 0;
	if (n)
		return x->stage == STAGE_RECEIVING ? receive_body(x, upload, n) : MHD_YES;
	if (x->stage == STAGE_RECEIVING && !x->refusal) {
		set_deadline(mhd, UINT64_MAX);
		return send_on(x);
	}
	if (x->stage == STAGE_ANSWERING)
		return answer(x);
	if (x->stage == STAGE_ANSWERED)
		return MHD_NO;
	x->stage = STAGE_ANSWERED;
	return refuse(mhd, x->refusal, x->why, false);
}

static void *on_first_line(void *ctx, const char *target, struct MHD_Connection *mhd)
{
	set_deadline(mhd, in_seconds(HEAD_SECONDS));
	return exchange_open(ctx, target);
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode how)
{
	(void)ctx, (void)how;
	set_deadline(mhd, in_seconds(HEAD_SECONDS));
	if (*state)
		exchange_free(*state);
	*state = NULL;
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info = mhd_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct proxy *p = ctx;
	struct connection *c = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		p->has_room = true;
		if (c) {
			*c->link = c->next;
			if (c->next)
				c->next->link = c->link;
		}
		free(c);
		return;
	}
	c = *socket_context = info ? calloc(1, sizeof *c) : NULL;
	if (!c)
		return;
	*c = (struct connection){ p->connections, &p->connections, info->connect_fd, in_seconds(HEAD_SECONDS) };
	if (c->next)
		c->next->link = &c->next;
	p->connections = c;
}

void front_shut_overdue(struct proxy *p)
{
	uint64_t now = proxy_now_ns();

	for (struct connection *c = p->connections; c; c = c->next)
		if (now > c->deadline_ns) {
			shutdown(c->fd, SHUT_RDWR);
			c->deadline_ns = UINT64_MAX;
		}
}

/* --- the loop's side ------------------------------------------------------------------ */

int front_epoll(const struct proxy *p)
{
	return p->front->epoll;
}

int front_wait_ms(const struct proxy *p)
{
	MHD_UNSIGNED_LONG_LONG ms;

	return mhd_get_timeout(p->front->daemon, &ms) != MHD_YES ? -1 : ms < 1000 ? (int)ms : 1000;
}

void front_turn(struct proxy *p)
{
	mhd_run(p->front->daemon);
}

void front_resume(struct exchange *x)
{
	x->suspended = false;
	mhd_resume_connection(x->mhd);
}

int front_open(struct proxy *p, struct err *err)
{
	const union MHD_DaemonInfo *info;
	struct front *f;
	int rc = microhttpd_load(err);

	if (rc)
		return rc;
	f = p->front = calloc(1, sizeof *f);
	if (!f)
		return err_set(err, ERR_NOMEM, "no memory for the HTTP server");
	f->daemon = mhd_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, p, MHD_OPTION_LISTEN_SOCKET,
		p->socket, MHD_OPTION_CONNECTION_LIMIT, p->config.connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HEADERS_MAX + BLOCK, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)STILL_SECONDS,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, p, MHD_OPTION_NOTIFY_COMPLETED, on_completed, p,
		MHD_OPTION_URI_LOG_CALLBACK, on_first_line, p, MHD_OPTION_END);
	info = f->daemon ? mhd_get_daemon_info(f->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info)
		return err_set(err, ERR_SYSTEM, "the HTTP server on %s cannot be started", p->url);
	f->epoll = info->epoll_fd;
	p->socket = -1; /* the daemon's now */
	return 0;
}

void front_close(struct proxy *p)
{
	if (p->front && p->front->daemon)
		mhd_stop_daemon(p->front->daemon);
	free(p->front);
	p->front = NULL;
}

#endif
