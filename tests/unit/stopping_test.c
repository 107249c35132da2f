/* The proxy's end: a request that comes in while it stops. */
#include "test.h"

#include "export/deliver.h"
#include "export/microhttpd.h"
#include "proxy/proxy.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 8 };

static struct proxy *open_proxy(void)
{
	const struct proxy_config config = { .listen = "127.0.0.1:0",
					     .upstream = "http://127.0.0.1:9",
					     .body_max = 1 << 20,
					     .connections_max = CLIENTS,
					     .silent_seconds = 60 };
	struct err err = { 0 };
	struct proxy *p;

	if (proxy_open(&p, &config, &err))
		fail_msg("%s", err.text);
	return p;
}

static int connect_to(const struct proxy *p)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)strtoul(strrchr(proxy_url(p), ':') + 1, NULL, 10));
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

/* One turn of the loop: clients that wait are let in. */
static void let_in(struct proxy *p)
{
	int stop[2];
	struct err err = { 0 };

	assert_int_equal(pipe(stop), 0);
	assert_int_equal(write(stop[1], "x", 1), 1);
	assert_int_equal(proxy_run(p, stop[0], &err), 0);
	close(stop[0]);
	close(stop[1]);
}

/* The front stops only when it holds no request: one that it sees for the first time while the proxy closes is refused.
 */
static void a_request_that_comes_at_the_end_is_not_held(void **state)
{
	static const char *const request[] = {
		"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}",
	};
	struct proxy *p = open_proxy();
	int client[CLIENTS];

	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		client[i] = connect_to(p);
	let_in(p);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(write(client[i], request[i % 2], strlen(request[i % 2])), strlen(request[i % 2]));
	proxy_close(p);
	for (int i = 0; i < CLIENTS; i++)
		close(client[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_that_comes_at_the_end_is_not_held),
	};

	char curl[80];

	deliver_version(curl, sizeof curl);
	if (!microhttpd_version() || !strncmp(curl, "none", 4)) {
		fprintf(stderr, "SKIPPED: stopping_test: this build has no HTTP server or no libcurl (%s)\n", curl);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
