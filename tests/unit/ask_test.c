/* Questions to servers that do not answer as they should. */
#include "test.h"

#include "export/deliver.h"
#include "export/http_ask.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BYTES = 1000, PAUSE_US = 10000, WAIT_MS = 300 };

/* A server that answers one question, a byte at a time. */
struct dripping {
	pthread_t thread;
	int socket;
	char url[64];
};

static void *drip(void *ctx)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
	const struct dripping *d = ctx;
	char request[4096];
	int fd = accept(d->socket, NULL, NULL);

	if (fd < 0 || recv(fd, request, sizeof request, 0) <= 0)
		return NULL;
	for (int i = 0; i < (int)sizeof head - 1 + BYTES; i++) {
		if (send(fd, i < (int)sizeof head - 1 ? &head[i] : "x", 1, MSG_NOSIGNAL) < 0)
			break;
		usleep(i < (int)sizeof head - 1 ? 0 : PAUSE_US);
	}
	close(fd);
	return NULL;
}

static void open_server(struct dripping *d)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;

	d->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(d->socket, (const struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(d->socket, 1), 0);
	assert_int_equal(getsockname(d->socket, (struct sockaddr *)&at, &n), 0);
	snprintf(d->url, sizeof d->url, "http://127.0.0.1:%u/", (unsigned)ntohs(at.sin_port));
	assert_int_equal(pthread_create(&d->thread, NULL, drip, d), 0);
}

static void close_server(struct dripping *d)
{
	shutdown(d->socket, SHUT_RDWR);
	pthread_join(d->thread, NULL);
	close(d->socket);
}

static bool take_all(void *ctx, struct slice piece)
{
	*(size_t *)ctx += piece.n;
	return true;
}

/* It takes ten seconds for its answer, and is never silent. */
static void an_answer_that_drips_ends(void **state)
{
	struct dripping server;
	struct buf out = { 0 };
	struct err err = { 0 };
	size_t n = 0;

	(void)state;
	open_server(&server);
	assert_int_equal(http_fetch(&out, server.url, 1 << 20, WAIT_MS, &err), -ERR_OPEN);
	assert_true(out.used < BYTES);
	close_server(&server);
	buf_free(&out);

	open_server(&server);
	assert_int_equal(http_ask(&(struct http_ask){ .what = "test",
						      .url = server.url,
						      .silent_ms = 60000,
						      .whole_ms = WAIT_MS,
						      .take = take_all,
						      .ctx = &n },
				  &err),
			 -ERR_OPEN);
	assert_true(n < BYTES);
	close_server(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_that_drips_ends),
	};

	char version[80];

	deliver_version(version, sizeof version);
	if (!strncmp(version, "none", 4)) {
		printf("SKIPPED: questions to servers: libcurl is %s\n", version);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
