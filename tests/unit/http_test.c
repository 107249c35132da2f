/* The HTTP server from the other end of a socket: what it answers, what it refuses, what it
 * does not wait for. */
#include "test.h"

#include "base/buf.h"
#include "base/clock.h"
#include "export/http.h"
#include "export/microhttpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void say_hello(void *ctx, const struct http_request *r, struct http_response *out)
{
	(void)ctx;
	out->type = "text/plain; charset=utf-8";
	buf_printf(&out->body, "hello %.*s", SLICE_ARG(http_query(r, "who")));
}

static _Atomic unsigned news; /* events so far */

static void tell_news(void *ctx, const char *about, uint64_t *cursor, struct buf *out)
{
	(void)ctx;
	for (; *cursor < news; ++*cursor)
		buf_printf(out, "data: %s%u\n\n", about, (unsigned)*cursor);
}

static const char *const takes_who[] = { "who", NULL };

static const struct http_route routes[] = {
	{ .path = "/", .answer = say_hello },
	{ .path = "/hello", .answer = say_hello },
	{ .path = "/strict", .takes = takes_who, .answer = say_hello },
	{ .path = "/events", .events = tell_news },
};

static struct http *start(const char *token)
{
	const struct http_config cfg = { .listen = "127.0.0.1:0",
					 .token = token,
					 .route = routes,
					 .n_routes = sizeof routes / sizeof *routes,
					 .receive_seconds = 1 };
	struct err err = { 0 };
	struct http *h;

	if (http_open(&h, &cfg, &err))
		fail_msg("%s", err.text);
	return h;
}

static int dial(const struct http *h)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((uint16_t)strtoul(strrchr(http_url(h), ':') + 1, NULL, 10));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return; /* the server has had enough */
		text += sent;
		n -= (size_t)sent;
	}
}

/* Everything until the server closes. */
static struct buf receive(int fd)
{
	struct buf out = { 0 };
	char block[4096];
	ssize_t n;

	while ((n = recv(fd, block, sizeof block, 0)) > 0)
		buf_add(&out, block, (size_t)n);
	assert_true(n == 0 || errno == ECONNRESET); /* and not that our patience ended */
	buf_str(&out, "");
	close(fd);
	return out;
}

static struct buf ask_raw(const struct http *h, const char *request)
{
	int fd = dial(h);

	send_text(fd, request);
	return receive(fd);
}

static struct buf ask(const struct http *h, const char *method, const char *path, const char *headers)
{
	char request[2048];

	snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\n", method,
		 path, headers);
	return ask_raw(h, request);
}

static void expect(struct buf answer, const char *status, const char *holds)
{
	char line[64];

	snprintf(line, sizeof line, "HTTP/1.1 %s", status);
	if (strncmp(answer.p, line, strlen(line)) || (holds && !strstr(answer.p, holds)))
		fail_msg("expected %s and %s, got:\n%s", status, holds ? holds : "anything", answer.p);
	buf_free(&answer);
}

static void routes_are_answered(void **state)
{
	struct http *h = start(NULL);

	(void)state;
	expect(ask(h, "GET", "/hello?who=a%20b", ""), "200", "\r\n\r\nhello a b");
	expect(ask(h, "HEAD", "/hello", ""), "200", "Content-Length: 6");
	expect(ask(h, "GET", "/hello", ""), "200", "X-Content-Type-Options: nosniff\r\n");
	expect(ask(h, "GET", "/hello", ""), "200", "Content-Security-Policy: default-src 'none'");
	http_close(h);
}

static void everything_else_is_refused(void **state)
{
	static const char *const paths[] = { "/no",     "/hello/",       "/../hello", "/..%2f..%2fetc/passwd",
					     "//hello", "/%2e%2e/hello", "/HELLO",    "/hello/../../etc/passwd" };
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW" };
	struct http *h = start(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		expect(ask(h, "GET", paths[i], ""), "404", NULL);
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		expect(ask(h, methods[i], "/hello", ""), "405", "Allow: GET, HEAD");
	expect(ask(h, "GET", "/hello", "Content-Length: 5\r\n"), "413", NULL);
	expect(ask(h, "POST", "/hello", "Transfer-Encoding: chunked\r\n"), "413", NULL);
	expect(ask_raw(h, "GET /hello HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"), "403", NULL);
	expect(ask_raw(h, "GET /hello HTTP/1.1\r\nHost: localhost:1234\r\nConnection: close\r\n\r\n"), "200", NULL);
	http_close(h);
}

/* Nothing is left out of a query in silence. */
static void queries_say_what_they_mean(void **state)
{
	static const char *const bad[] = { "?who=",    "?who",      "?who=a&who=b", "?whom=a", "?who=a&x=1",
					   "?who=%00", "?who=a%00", "?%00who=a",    "%00",     "?who=a&=b" };
	char too_long[HTTP_ABOUT_BYTES + 16] = "/strict?who=";
	struct http *h = start(NULL);

	(void)state;
	memset(too_long + strlen(too_long), 'x', HTTP_ABOUT_BYTES);
	expect(ask(h, "GET", "/strict?who=me", ""), "200", "hello me");
	expect(ask(h, "GET", "/strict", ""), "200", "hello ");
	expect(ask(h, "GET", "/hello?other=x", ""), "200", "hello ");
	expect(ask(h, "GET", too_long, ""), "400", "who is too long");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char path[64];

		snprintf(path, sizeof path, "/strict%s", bad[i]);
		expect(ask(h, "GET", path, ""), "400", NULL);
	}
	http_close(h);
}

static void huge_and_broken_requests_end(void **state)
{
	struct http *h = start(NULL);
	struct buf big = { 0 }, answer;

	(void)state;
	buf_str(&big, "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ");
	for (int i = 0; i < 1 << 20; i++)
		buf_char(&big, 'x');
	buf_str(&big, "\r\n\r\n");
	answer = ask_raw(h, big.p);
	assert_true(!answer.used || !strncmp(answer.p, "HTTP/1.1 4", 10));
	buf_free(&answer);
	buf_clear(&big);
	buf_str(&big, "GET /");
	for (int i = 0; i < 1 << 20; i++)
		buf_char(&big, 'y');
	answer = ask_raw(h, big.p);
	assert_true(!answer.used || !strncmp(answer.p, "HTTP/1.1 4", 10));
	buf_free(&answer);
	buf_free(&big);
	answer = ask_raw(h, "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n\r\n"); /* somebody speaks TLS */
	assert_true(!answer.used || strncmp(answer.p, "HTTP/1.1 2", 10));
	buf_free(&answer);
	expect(ask(h, "GET", "/hello", ""), "200", NULL); /* and it still works */
	http_close(h);
}

/* A byte now and then keeps no connection: the whole request has its time. */
static void a_slow_sender_is_shut_out(void **state)
{
	struct http *h = start(NULL);
	int slow[40];
	char byte;

	(void)state;
	for (int i = 0; i < 40; i++) {
		slow[i] = dial(h);
		send_text(slow[i], "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n");
	}
	expect(ask(h, "GET", "/hello", ""), "200", NULL); /* others are served meanwhile */
	for (int i = 0; i < 40; i++) {
		send_text(slow[i], "X");
		while (recv(slow[i], &byte, 1, 0) > 0)
			;
		assert_int_not_equal(errno, EAGAIN);
		close(slow[i]);
	}
	http_close(h);
}

/* A thousand that say nothing, or a little of a request, and all the time in the world: who asks is answered. */
static void silent_connections_make_room(void **state)
{
	enum { SILENT = 1000 };
	const struct http_config cfg = { .listen = "127.0.0.1:0",
					 .route = routes,
					 .n_routes = sizeof routes / sizeof *routes,
					 .receive_seconds = 3600 };
	struct rlimit files;
	struct http *h;
	int fd[SILENT], busy;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < 3000)
		SKIP_LOUDLY("a thousand connections: only %d descriptors are allowed", (int)files.rlim_max);
	files.rlim_cur = 3000;
	setrlimit(RLIMIT_NOFILE, &files);
	assert_int_equal(http_open(&h, &cfg, NULL), 0);
	busy = dial(h);
	send_text(busy, "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	for (int i = 0; i < SILENT; i++) {
		fd[i] = dial(h);
		if (i % 3)
			send_text(fd[i], "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: b\r\n");
		if (i % 100 == 99)
			expect(ask(h, "GET", "/hello", ""), "200 OK", "hello");
	}
	expect(ask(h, "GET", "/hello", ""), "200 OK", "hello");
	for (int i = 0; i < SILENT; i++)
		close(fd[i]);
	expect(ask(h, "GET", "/hello", ""), "200 OK", "hello");
	close(busy);
	http_close(h);
}

/* A later request of a connection has as long as the first. */
static void a_slow_second_request_is_shut_out(void **state)
{
	struct http *h = start(NULL);
	int fd = dial(h);
	char block[2000];
	ssize_t n;

	(void)state;
	send_text(fd, "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	assert_true(recv(fd, block, sizeof block, 0) > 0);
	send_text(fd, "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n");
	do
		n = recv(fd, block, sizeof block, 0); /* what is left of the answer, then the end: not our patience's */
	while (n > 0);
	assert_true(n == 0 || errno == ECONNRESET);
	close(fd);
	http_close(h);
}

static void the_token_opens(void **state)
{
	struct http *h = start("secret-token-1");
	struct http *bad;
	const struct http_config short_token = { .listen = ":0", .token = "short" },
				 odd = { .listen = ":0", .token = "semi;colon-token" };
	struct err err = { 0 };

	(void)state;
	expect(ask(h, "GET", "/hello", ""), "401", "WWW-Authenticate: Bearer");
	expect(ask(h, "GET", "/hello", "Authorization: Bearer secret-token-1\r\n"), "200", NULL);
	expect(ask(h, "GET", "/hello", "Authorization: Bearer secret-token-2\r\n"), "401", NULL);
	expect(ask(h, "GET", "/hello", "Authorization: Bearer secret-token-11\r\n"), "401", NULL);
	expect(ask(h, "GET", "/hello", "Authorization: Basic c2VjcmV0\r\n"), "401", NULL);
	expect(ask(h, "GET", "/hello", "Cookie: rwkvmon_token=secret-token-1\r\n"), "200", NULL);
	expect(ask(h, "GET", "/?token=secret-token-1", ""), "303",
	       "Set-Cookie: rwkvmon_token=secret-token-1; Path=/; HttpOnly; SameSite=Strict");
	expect(ask(h, "GET", "/?token=wrong", ""), "401", NULL);
	expect(ask(h, "GET", "/no", ""), "401", NULL); /* what there is, is nobody's business */
	http_close(h);
	assert_int_not_equal(http_open(&bad, &short_token, &err), 0);
	assert_int_not_equal(http_open(&bad, &odd, &err), 0);
}

static void a_taken_port_is_told(void **state)
{
	struct http *h = start(NULL), *second;
	char *where = strdup(http_url(h) + strlen("http://")); /* outlives the server that told it */
	const struct http_config cfg = { .listen = where, .route = routes, .n_routes = sizeof routes / sizeof *routes };
	struct err err = { 0 };

	(void)state;
	assert_int_not_equal(http_open(&second, &cfg, &err), 0);
	assert_null(second);
	assert_int_equal(err.code, ERR_SYSTEM);
	assert_non_null(strstr(err.hint, "port"));
	http_close(h);
	assert_int_equal(http_open(&second, &cfg, &err), 0); /* it is free again at once */
	http_close(second);
	free(where);
}

/* Reads until `text` has come. */
static void await(int fd, struct buf *got, const char *text)
{
	char block[512];
	ssize_t n;

	while (!got->p || !strstr(got->p, text)) {
		n = recv(fd, block, sizeof block, 0);
		assert_true(n > 0);
		buf_add(got, block, (size_t)n);
	}
}

static void events_arrive_as_they_happen(void **state)
{
	struct http *h = start(NULL);
	int fd[3];
	struct buf got[3] = { 0 };

	(void)state;
	news = 1;
	for (int i = 0; i < 3; i++) {
		fd[i] = dial(h);
		send_text(fd[i], "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
		await(fd[i], &got[i], "data: 0\n\n");
	}
	assert_non_null(strstr(got[0].p, "Content-Type: text/event-stream"));
	close(fd[2]); /* one goes away without a word */
	for (unsigned n = 1; n < 200; n++) {
		char text[32];

		news = n + 1;
		http_wake(h);
		snprintf(text, sizeof text, "data: %u\n\n", n);
		for (int i = 0; i < 2; i++)
			await(fd[i], &got[i], text);
	}
	http_close(h); /* with streams open */
	for (int i = 0; i < 3; i++)
		buf_free(&got[i]);
	close(fd[0]);
	close(fd[1]);
}

static struct http *busy;

static void *ask_often(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < 50; i++)
		expect(ask(busy, "GET", "/hello", ""), "200", NULL);
	return NULL;
}

static void many_ask_at_once(void **state)
{
	pthread_t thread[8];

	(void)state;
	busy = start(NULL);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_often, NULL), 0);
	for (int i = 0; i < 200; i++)
		http_wake(busy);
	for (int i = 0; i < 8; i++)
		pthread_join(thread[i], NULL);
	http_close(busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_are_answered),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(queries_say_what_they_mean),
		cmocka_unit_test(huge_and_broken_requests_end),
		cmocka_unit_test(a_slow_sender_is_shut_out),
		cmocka_unit_test(silent_connections_make_room),
		cmocka_unit_test(a_slow_second_request_is_shut_out),
		cmocka_unit_test(the_token_opens),
		cmocka_unit_test(a_taken_port_is_told),
		cmocka_unit_test(events_arrive_as_they_happen),
		cmocka_unit_test(many_ask_at_once),
	};

	if (!microhttpd_version()) {
		fprintf(stderr, "SKIPPED: http_test: this build has no HTTP server (libmicrohttpd was missing)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
