/* http.c - routes over libmicrohttpd: tokens, deadlines, streams. */
#include "export/http.h"

#include "export/microhttpd.h"

#ifndef RWKVMON_HTTP

int http_open(struct http **out, const struct http_config *config, struct err *err)
{
	(void)config;
	*out = NULL;
	return microhttpd_load(err);
}

void http_close(struct http *h)
{
	(void)h;
}

void http_forget(struct http *h)
{
	(void)h;
}

const char *http_url(const struct http *h)
{
	(void)h;
	return "";
}

bool http_is_open(const struct http *h)
{
	(void)h;
	return false;
}

void http_wake(struct http *h)
{
	(void)h;
}

struct slice http_header(const struct http_request *r, const char *name)
{
	(void)r;
	(void)name;
	return (struct slice){ "", 0 };
}

struct slice http_query(const struct http_request *r, const char *name)
{
	return http_header(r, name);
}

#else

#include "base/clock.h"
#include "base/secret.h"
#include "export/address.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 128,
	CONNECTIONS_WANTED = 96, /* beyond, one that says nothing is shut for each that comes */
	STREAMS_MAX = 16,
	REQUEST_BYTES = 16 << 10,
	RECEIVE_SECONDS = 10,
	ANSWER_SECONDS = 30,
	IDLE_SECONDS = 20,
	HEARTBEAT_SECONDS = 10,
	STREAM_BLOCK = 16 << 10,
	TOKEN_BYTES_MAX = 256,
};

/* One accepted socket; in the server's list from its start to its end. */
struct connection {
	struct connection *next;
	int fd;
	uint64_t deadline_ns; /* after it the socket is shut */
	uint64_t since_ns;    /* it waits or is answered since then */
	uint64_t address;     /* a hash of the peer's */
	unsigned answered;    /* requests */
	bool busy;            /* a request of its is in and being answered */
	bool shut;            /* it will be gone in a moment */
};

/* One stream of events; in the server's list while MHD has its response. */
struct stream {
	struct stream *next;
	struct http *h;
	const struct http_route *route;
	struct MHD_Connection *mhd;
	struct connection *connection;
	bool suspended;
	char about[HTTP_ABOUT_BYTES];
	uint64_t cursor, said_ns;
	struct buf pending;
	size_t sent; /* of pending */
};

struct http {
	struct MHD_Daemon *daemon;
	const struct http_route *route;
	size_t n_routes;
	char url[ADDRESS_URL_BYTES], token[TOKEN_BYTES_MAX];
	bool loopback;
	int socket;
	unsigned receive_seconds;

	pthread_t watchdog;
	bool watched;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t change;
	struct connection *connections;
	struct stream *streams;
	size_t n_streams;
	uint64_t wakes;
	bool stopping;
};

struct http_request {
	struct MHD_Connection *mhd;
};

static uint64_t now_ns(void)
{
	return clock_mono_ns(&clock_system);
}

static uint64_t in_seconds(uint64_t s)
{
	return now_ns() + s * UINT64_C(1000000000);
}

static struct slice value_of(const struct http_request *r, enum MHD_ValueKind kind, const char *name)
{
	const char *value = mhd_lookup_connection_value(r->mhd, kind, name);

	return slice_of(value ? value : "");
}

struct slice http_header(const struct http_request *r, const char *name)
{
	return value_of(r, MHD_HEADER_KIND, name);
}

struct slice http_query(const struct http_request *r, const char *name)
{
	return value_of(r, MHD_GET_ARGUMENT_KIND, name);
}

/* --- who may ask ---------------------------------------------------------------------- */

/* Takes the same time whatever is wrong. */
static bool token_is(const struct http *h, struct slice given)
{
	size_t n = strlen(h->token);
	unsigned differ = given.n != n;

	for (size_t i = 0; i < n; i++)
		differ |= (unsigned)(unsigned char)h->token[i] ^ (i < given.n ? (unsigned char)given.p[i] : 0U);
	return !differ;
}

static bool has_token(const struct http *h, const struct http_request *r)
{
	static const char bearer[] = "Bearer ";
	struct slice header = http_header(r, "Authorization");

	if (header.n > sizeof bearer - 1 && !strncasecmp(header.p, bearer, sizeof bearer - 1))
		return token_is(h, (struct slice){ header.p + sizeof bearer - 1, header.n - (sizeof bearer - 1) });
	return token_is(h, value_of(r, MHD_COOKIE_KIND, "rwkvmon_token"));
}

/* --- answers -------------------------------------------------------------------------- */

static void add_headers(struct MHD_Response *answer, const struct http_response *r)
{
	const char *const header[][2] = {
		{ "Content-Type", r->type },
		{ "Content-Security-Policy", r->policy ? r->policy : "default-src 'none'; frame-ancestors 'none'" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Cache-Control", "no-store" },
	};

	for (size_t i = 0; i < sizeof header / sizeof *header; i++)
		mhd_add_response_header(answer, header[i][0], header[i][1]);
}

static enum MHD_Result queue(struct MHD_Connection *mhd, struct http_response *r, const char *extra, const char *value)
{
	struct MHD_Response *answer;
	enum MHD_Result rc;

	if (r->body.failed) {
		buf_free(&r->body);
		*r = (struct http_response){ .status = MHD_HTTP_INTERNAL_SERVER_ERROR,
					     .type = "text/plain; charset=utf-8" };
		buf_str(&r->body, "500: out of memory\n");
	}
	answer = mhd_create_response_from_buffer(r->body.used, r->body.p, MHD_RESPMEM_MUST_FREE);
	if (!answer) {
		buf_free(&r->body);
		return MHD_NO;
	}
	add_headers(answer, r);
	if (extra)
		mhd_add_response_header(answer, extra, value);
	rc = mhd_queue_response(mhd, (unsigned)r->status, answer);
	mhd_destroy_response(answer);
	return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *mhd, int status, const char *why, const char *extra,
			      const char *value)
{
	struct http_response r = { .status = status, .type = "text/plain; charset=utf-8" };

	buf_printf(&r.body, "%d: %s\n", status, why);
	return queue(mhd, &r, extra, value);
}

/* /?token=T once: a browser keeps it as a cookie that scripts cannot read, and the address loses it. */
static enum MHD_Result answer_with_cookie(struct http *h, struct MHD_Connection *mhd)
{
	struct http_response r = { .status = MHD_HTTP_SEE_OTHER, .type = "text/plain; charset=utf-8" };
	struct MHD_Response *answer;
	char cookie[TOKEN_BYTES_MAX + 80];
	enum MHD_Result rc;

	snprintf(cookie, sizeof cookie, "rwkvmon_token=%s; Path=/; HttpOnly; SameSite=Strict", h->token);
	answer = mhd_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
	if (!answer)
		return MHD_NO;
	add_headers(answer, &r);
	mhd_add_response_header(answer, "Location", "/");
	mhd_add_response_header(answer, "Set-Cookie", cookie);
	rc = mhd_queue_response(mhd, (unsigned)r.status, answer);
	mhd_destroy_response(answer);
	return rc;
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = mhd_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void set_deadline(struct http *h, struct connection *c, uint64_t seconds)
{
	if (!c)
		return;
	pthread_mutex_lock(&h->lock);
	if (!c->shut)
		c->deadline_ns = in_seconds(seconds);
	pthread_mutex_unlock(&h->lock);
}

static void set_busy(struct http *h, struct connection *c, bool busy, uint64_t seconds)
{
	if (!c)
		return;
	pthread_mutex_lock(&h->lock);
	c->busy = busy;
	c->answered += !busy;
	c->since_ns = now_ns();
	if (!c->shut)
		c->deadline_ns = in_seconds(seconds);
	pthread_mutex_unlock(&h->lock);
}

/* --- streams -------------------------------------------------------------------------- */

/* Nothing to send: waits for http_wake, unless it was called while we were checking. */
static bool stream_rest(struct stream *s, uint64_t wakes)
{
	if (s->h->stopping || s->pending.failed)
		return false;
	if (s->h->wakes == wakes) {
		s->suspended = true;
		mhd_suspend_connection(s->mhd);
	}
	return true;
}

/* Fills in new events, or from time to time a comment that keeps the connection alive. */
static void stream_fill(struct stream *s)
{
	buf_clear(&s->pending);
	s->sent = 0;
	s->route->events(s->route->ctx, s->about, &s->cursor, &s->pending);
	if (!s->pending.used && now_ns() - s->said_ns >= HEARTBEAT_SECONDS * UINT64_C(1000000000))
		buf_str(&s->pending, ": still here\n\n");
}

static ssize_t stream_read(void *ctx, uint64_t position, char *to, size_t max)
{
	struct stream *s = ctx;
	struct http *h = s->h;
	uint64_t wakes;
	size_t n;
	bool goes_on;

	(void)position;
	pthread_mutex_lock(&h->lock);
	wakes = h->wakes;
	pthread_mutex_unlock(&h->lock);
	if (s->sent == s->pending.used)
		stream_fill(s);
	n = s->pending.used - s->sent < max ? s->pending.used - s->sent : max;
	pthread_mutex_lock(&h->lock);
	goes_on = n || stream_rest(s, wakes);
	if (n && s->connection)
		s->connection->deadline_ns = in_seconds(ANSWER_SECONDS);
	pthread_mutex_unlock(&h->lock);
	if (!n)
		return goes_on ? 0 : MHD_CONTENT_READER_END_OF_STREAM;
	memcpy(to, s->pending.p + s->sent, n);
	s->sent += n;
	s->said_ns = now_ns();
	return (ssize_t)n;
}

static void stream_free(void *ctx)
{
	struct stream *s = ctx, **at = &s->h->streams;

	pthread_mutex_lock(&s->h->lock);
	while (*at && *at != s)
		at = &(*at)->next;
	if (*at) {
		*at = s->next;
		s->h->n_streams--;
	}
	pthread_mutex_unlock(&s->h->lock);
	buf_free(&s->pending);
	free(s);
}

static struct stream *stream_open(struct http *h, const struct http_route *route, struct MHD_Connection *mhd)
{
	const struct http_request request = { mhd };
	const struct slice about = http_query(&request, "about");
	struct stream *s = calloc(1, sizeof *s);
	bool room;

	if (!s)
		return NULL;
	*s = (struct stream){
		.h = h, .route = route, .mhd = mhd, .connection = connection_of(mhd), .said_ns = now_ns()
	};
	snprintf(s->about, sizeof s->about, "%.*s", SLICE_ARG(about));
	pthread_mutex_lock(&h->lock);
	room = h->n_streams < STREAMS_MAX && !h->stopping;
	if (room) {
		s->next = h->streams;
		h->streams = s;
		h->n_streams++;
	}
	pthread_mutex_unlock(&h->lock);
	if (room)
		return s;
	free(s);
	return NULL;
}

static enum MHD_Result answer_stream(struct http *h, const struct http_route *route, struct MHD_Connection *mhd)
{
	const struct http_response head = { .type = "text/event-stream; charset=utf-8" };
	struct stream *s = stream_open(h, route, mhd);
	struct MHD_Response *answer;
	enum MHD_Result rc;

	if (!s)
		return refuse(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "too many live pages are open; close one",
			      "Retry-After", "10");
	answer = mhd_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, s, stream_free);
	if (!answer) {
		stream_free(s);
		return MHD_NO;
	}
	add_headers(answer, &head);
	rc = mhd_queue_response(mhd, MHD_HTTP_OK, answer);
	mhd_destroy_response(answer);
	return rc;
}

/* Also once every HEARTBEAT_SECONDS, so that dead clients are noticed. */
void http_wake(struct http *h)
{
	pthread_mutex_lock(&h->lock);
	h->wakes++;
	for (struct stream *s = h->streams; s; s = s->next)
		if (s->suspended) {
			s->suspended = false;
			if (s->connection)
				s->connection->deadline_ns = in_seconds(ANSWER_SECONDS);
			mhd_resume_connection(s->mhd);
		}
	pthread_mutex_unlock(&h->lock);
}

/* --- requests ------------------------------------------------------------------------- */

static const struct http_route *find_route(const struct http *h, const char *path)
{
	for (size_t i = 0; i < h->n_routes; i++)
		if (!strcmp(h->route[i].path, path))
			return &h->route[i];
	return NULL;
}

enum { QUERY_NAMES_MAX = 8 };

/* A query as it is checked; `why` is "" as long as nothing is wrong. */
struct query {
	const char *const *takes;
	bool given[QUERY_NAMES_MAX];
	char why[160];
};

static enum MHD_Result check_parameter(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct query *q = ctx;
	size_t i = 0;

	(void)kind;
	while (q->takes[i] && strcmp(q->takes[i], name))
		i++;
	if (!q->takes[i])
		snprintf(q->why, sizeof q->why, "the query holds a parameter that is not known here");
	else if (q->given[i])
		snprintf(q->why, sizeof q->why, "%s is given twice", name);
	else if (!value || !*value)
		snprintf(q->why, sizeof q->why, "%s is empty", name);
	else if (strlen(value) >= HTTP_ABOUT_BYTES)
		snprintf(q->why, sizeof q->why, "%s is too long", name);
	if (*q->why)
		return MHD_NO;
	q->given[i] = true;
	return MHD_YES;
}

/* What is asked for must not be more than was meant: a parameter that is misspelt, empty or given twice is refused. */
static bool query_is_fine(struct query *q, const struct http_route *route, struct MHD_Connection *mhd)
{
	q->takes = route->takes;
	if (q->takes)
		mhd_get_connection_values(mhd, MHD_GET_ARGUMENT_KIND, check_parameter, q);
	return !*q->why;
}

static enum MHD_Result answer_route(struct http *h, const struct http_route *route, struct MHD_Connection *mhd)
{
	struct http_request request = { mhd };
	struct http_response response = { .status = MHD_HTTP_OK, .type = "text/plain; charset=utf-8" };
	struct query query = { 0 };

	if (!query_is_fine(&query, route, mhd))
		return refuse(mhd, MHD_HTTP_BAD_REQUEST, query.why, NULL, NULL);
	if (route->events)
		return answer_stream(h, route, mhd);
	route->answer(route->ctx, &request, &response);
	return queue(mhd, &response, NULL, NULL);
}

static enum MHD_Result dispatch(struct http *h, struct MHD_Connection *mhd, const char *path, const char *method)
{
	struct http_request request = { mhd };
	const struct http_route *route;

	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return refuse(mhd, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD", "Allow", "GET, HEAD");
	if (!*h->token && h->loopback && !address_host_is_loopback(http_header(&request, "Host")))
		return refuse(mhd, MHD_HTTP_FORBIDDEN,
			      "the Host header names another machine; set a token to allow that", NULL, NULL);
	if (*h->token && !strcmp(path, "/") && token_is(h, http_query(&request, "token")))
		return answer_with_cookie(h, mhd);
	if (*h->token && !has_token(h, &request))
		return refuse(mhd, MHD_HTTP_UNAUTHORIZED,
			      "needs the token, as `Authorization: Bearer` or once as /?token=", "WWW-Authenticate",
			      "Bearer realm=\"rwkvmon\"");
	route = find_route(h, path);
	if (!route)
		return refuse(mhd, MHD_HTTP_NOT_FOUND, "no such page", NULL, NULL);
	return answer_route(h, route, mhd);
}

/* The states of a request: its address holds a byte 0, behind which nothing would be read; its headers are in. */
static char cut_short, headers_in;

/* Called when the headers are in, for every piece of a body, and at the end. A body is not wanted. */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *path, const char *method,
				  const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct http *h = ctx;

	(void)version;
	(void)upload;
	if (*state != &headers_in) {
		const struct http_request request = { mhd };
		bool is_cut = *state == &cut_short;

		*state = &headers_in;
		set_busy(h, connection_of(mhd), true, ANSWER_SECONDS);
		if (is_cut)
			return refuse(mhd, MHD_HTTP_BAD_REQUEST, "the address holds %00", NULL, NULL);
		if (http_header(&request, "Content-Length").n &&
		    !slice_is(http_header(&request, "Content-Length"), "0"))
			return refuse(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "no body is wanted", "Connection", "close");
		if (http_header(&request, "Transfer-Encoding").n)
			return refuse(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "no body is wanted", "Connection", "close");
		return MHD_YES;
	}
	if (*upload_size)
		return MHD_NO;
	return dispatch(h, mhd, path, method);
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode how)
{
	(void)state;
	(void)how;
	set_busy(ctx, connection_of(mhd), false, IDLE_SECONDS);
}

/* The first line of a request has arrived: a later request of a connection has as much time for the rest as the first
 * one had. Returns the state that the request begins with. */
static void *on_first_line(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
	struct http *h = ctx;
	struct connection *c = connection_of(mhd);

	if (c && c->answered)
		set_deadline(h, c, h->receive_seconds);
	return strstr(uri, "%00") ? &cut_short : NULL;
}

/* --- room for those who come ------------------------------------------------------------- */

/* Identifies a host: for IPv6, by the network prefix that a host has for itself. */
static uint64_t address_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = mhd_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *at = info ? info->client_addr : NULL;
	uint64_t whole = 0;

	if (at && at->sa_family == AF_INET)
		whole = ((const struct sockaddr_in *)(const void *)at)->sin_addr.s_addr;
	else if (at && at->sa_family == AF_INET6)
		memcpy(&whole, &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr, sizeof whole);
	return whole;
}

static size_t of_address(const struct http *h, uint64_t address)
{
	size_t n = 0;

	for (const struct connection *c = h->connections; c; c = c->next)
		n += !c->shut && c->address == address;
	return n;
}

/* True: bytes of its request have arrived and will be read soon. */
static bool has_said_something(const struct connection *c)
{
	char one;

	return recv(c->fd, &one, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Chooses the connection to close: among those of the address with most connections, the one that has waited longest,
 * and one that has sent nothing before one that has. One that is being answered is chosen only if a single address
 * holds most connections in this way. */
static struct connection *least_needed(struct http *h, bool busy, bool silent)
{
	struct connection *best = NULL;
	size_t most = busy ? CONNECTIONS_WANTED / 2 : 0;

	for (struct connection *c = h->connections; c; c = c->next) {
		size_t n = c->shut || c->busy != busy ? 0 : of_address(h, c->address);

		if (!n || n < most || (silent && has_said_something(c)))
			continue;
		if (!best || n > most || c->since_ns < best->since_ns)
			best = c;
		most = n;
	}
	return best;
}

static void shut_the_least_needed(struct http *h)
{
	struct connection *goes;
	size_t n = 0;

	for (const struct connection *c = h->connections; c; c = c->next)
		n += !c->shut;
	if (n < CONNECTIONS_WANTED)
		return;
	goes = least_needed(h, false, true);
	goes = goes ? goes : least_needed(h, false, false);
	goes = goes ? goes : least_needed(h, true, false);
	if (!goes)
		return;
	shutdown(goes->fd, SHUT_RDWR);
	goes->shut = true;
	goes->deadline_ns = UINT64_MAX;
}

static void add_connection(struct http *h, struct MHD_Connection *mhd, void **socket_context)
{
	const union MHD_ConnectionInfo *info = mhd_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = info ? calloc(1, sizeof *c) : NULL;

	*socket_context = c;
	if (!c)
		return;
	c->fd = info->connect_fd;
	c->address = address_of(mhd);
	c->since_ns = now_ns();
	c->deadline_ns = in_seconds(h->receive_seconds);
	pthread_mutex_lock(&h->lock);
	shut_the_least_needed(h);
	c->next = h->connections;
	h->connections = c;
	pthread_cond_signal(&h->change);
	pthread_mutex_unlock(&h->lock);
}

static void remove_connection(struct http *h, struct connection *c)
{
	struct connection **at = &h->connections;

	pthread_mutex_lock(&h->lock);
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	pthread_mutex_unlock(&h->lock);
	free(c);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		add_connection(ctx, mhd, socket_context);
	else if (*socket_context)
		remove_connection(ctx, *socket_context);
}

/* --- the watchdog: time limits -------------------------------------------------------- */

static void shut_overdue(struct http *h)
{
	uint64_t now = now_ns();

	for (struct connection *c = h->connections; c; c = c->next)
		if (now > c->deadline_ns) {
			shutdown(c->fd, SHUT_RDWR);
			c->shut = true;
			c->deadline_ns = UINT64_MAX;
		}
}

/* Sleeps for good while nobody is connected. */
static void *watch(void *ctx)
{
	struct http *h = ctx;
	unsigned ticks = 0;

	pthread_mutex_lock(&h->lock);
	while (!h->stopping) {
		struct timespec until;

		if (!h->connections) {
			pthread_cond_wait(&h->change, &h->lock);
			continue;
		}
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&h->change, &h->lock, &until);
		shut_overdue(h);
		if (++ticks % HEARTBEAT_SECONDS)
			continue;
		pthread_mutex_unlock(&h->lock);
		http_wake(h);
		pthread_mutex_lock(&h->lock);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* --- open and close ------------------------------------------------------------------- */

static int open_socket(struct http *h, const char *listen, struct err *err)
{
	struct address address;
	int rc = address_parse(&address, listen, err);

	if (!rc)
		rc = address_open(&h->socket, h->url, sizeof h->url, &address, err);
	if (!rc)
		h->loopback = address_is_loopback(address.host);
	return rc;
}

/* Threads inherit the mask: signals belong to the program that is watched. */
static bool start_daemon(struct http *h)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	h->daemon = mhd_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, h, MHD_OPTION_LISTEN_SOCKET, h->socket, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES + 16384,
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)1024, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_URI_LOG_CALLBACK, on_first_line, h,
		MHD_OPTION_END);
	h->watched = h->daemon && !pthread_create(&h->watchdog, NULL, watch, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return h->watched;
}

static void init_lock(struct http *h)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&h->change, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

/* A token stands in a header and in a cookie: printable, no quotes, commas, semicolons. */
static int check_token(struct http *h, const char *token, struct err *err)
{
	size_t n = strlen(token);

	for (size_t i = 0; i < n; i++)
		if (token[i] <= ' ' || token[i] >= 127 || strchr("\",;\\", token[i]))
			return err_set(err, ERR_USAGE,
				       "the token holds a character that no header can carry; expected letters, "
				       "digits, - and _");
	if (n < 8 || n >= TOKEN_BYTES_MAX)
		return err_set(err, ERR_USAGE, "the token has %zu characters; expected 8 to %d", n,
			       TOKEN_BYTES_MAX - 1);
	memcpy(h->token, token, n + 1);
	return 0;
}

static int copy_config(struct http *h, const struct http_config *config, struct err *err)
{
	char *token;
	int rc = secret_read(&token, config->token, err);

	h->route = config->route;
	h->n_routes = config->n_routes;
	h->receive_seconds = config->receive_seconds ? config->receive_seconds : RECEIVE_SECONDS;
	if (!rc && token)
		rc = check_token(h, token, err);
	free(token);
	return rc;
}

int http_open(struct http **out, const struct http_config *config, struct err *err)
{
	struct http *h = calloc(1, sizeof *h);
	int rc;

	*out = NULL;
	if (!h)
		return err_set(err, ERR_NOMEM, "no memory for the HTTP server");
	h->socket = -1;
	init_lock(h);
	rc = microhttpd_load(err);
	if (!rc)
		rc = copy_config(h, config, err);
	if (!rc)
		rc = open_socket(h, config->listen, err);
	if (!rc && !start_daemon(h))
		rc = err_set(err, ERR_SYSTEM, "the HTTP server on %s cannot be started", h->url);
	if (rc) {
		http_close(h);
		return rc;
	}
	*out = h;
	return 0;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	pthread_cond_signal(&h->change);
	pthread_mutex_unlock(&h->lock);
	if (h->watched)
		pthread_join(h->watchdog, NULL);
	if (h->daemon) {
		http_wake(h);               /* MHD wants no connection suspended when it stops */
		mhd_stop_daemon(h->daemon); /* closes the socket */
	} else if (h->socket >= 0) {
		close(h->socket);
	}
	pthread_cond_destroy(&h->change);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* The threads are the parent's; what they hold cannot be freed safely. */
void http_forget(struct http *h)
{
	if (h)
		close(h->socket);
}

const char *http_url(const struct http *h)
{
	return h->url;
}

bool http_is_open(const struct http *h)
{
	return !h->loopback && !*h->token;
}

#endif
