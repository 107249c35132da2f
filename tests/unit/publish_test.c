/* Handles that publish: one server and one set of numbers per process, for scrapers and for a file. */
#include "test.h"

#include "child.h"

#include "base/file.h"
#include "collect/publish.h"
#include "export/http.h"
#include "export/microhttpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <rwkvmon.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static rwkvmon *open_handle(const char *model, const char *listen, const char *textfile)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .model_name = model,
				      .runtime_name = "test",
				      .vocab_size = 256,
				      .listen = listen,
				      .metrics_textfile = textfile,
				      .block_when_full = 1 };
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, why))
		fail_msg("%s", why);
	return mon;
}

static void steps(rwkvmon *mon, int n)
{
	const uint32_t token = 7;

	for (int i = 0; i < n; i++) {
		rwkvmon_begin(mon);
		rwkvmon_end(mon, &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step),
							 .tokens = &token,
							 .n_tokens = 1,
							 .phase = RWKVMON_DECODE });
	}
}

static int dial(const char *url)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
	if (!connect(fd, (struct sockaddr *)&to, sizeof to))
		return fd;
	close(fd);
	return -1;
}

static struct buf scrape(const char *url)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	struct buf out = { 0 };
	char block[4096];
	int fd = dial(url);
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
	while ((n = recv(fd, block, sizeof block, 0)) > 0)
		buf_add(&out, block, (size_t)n);
	close(fd);
	return out;
}

/* Scrapes until the text holds what the writer thread will have put there. */
static void await(const char *url, const char *text)
{
	for (int i = 0; i < 12000; i++) { /* a deadline for broken runs, never a measure */
		struct buf got = scrape(url);
		bool found = got.p && strstr(got.p, text);

		buf_free(&got);
		if (found)
			return;
		usleep(10000);
	}
	fail_msg("never seen: %s", text);
}

static void handles_share_a_server(void **state)
{
	rwkvmon *a = open_handle("a", "127.0.0.1:0", NULL), *b = open_handle("b", "127.0.0.1:0", NULL),
		*c = open_handle("a", "127.0.0.1:0", NULL), *quiet = open_handle("d", NULL, NULL);
	char url[200];

	(void)state;
	snprintf(url, sizeof url, "%s", rwkvmon_url(a));
	assert_string_equal(rwkvmon_url(b), url);
	assert_string_equal(rwkvmon_url(quiet), "");
	steps(a, 10);
	steps(b, 20);
	steps(c, 3);
	steps(quiet, 5);
	await(url, "rwkv_tokens_total{model=\"a\",backend=\"test\",phase=\"decode\"} 13\n");
	await(url, "rwkv_tokens_total{model=\"b\",backend=\"test\",phase=\"decode\"} 20\n");
	rwkvmon_finished(b, RWKVMON_FINISH_STOP);
	await(url, "rwkv_requests_total{model=\"b\",backend=\"test\",finish_reason=\"stop\"} 1\n");
	rwkvmon_close(a, NULL);
	await(url, "rwkv_backend_up{model=\"a\",backend=\"test\"} 1\n"); /* c goes on */
	rwkvmon_close(c, NULL);
	await(url, "rwkv_backend_up{model=\"a\",backend=\"test\"} 0\n");
	rwkvmon_close(b, NULL);
	rwkvmon_close(quiet, NULL);
	assert_int_equal(dial(url), -1); /* the last one out */
}

static void ask_for_url(void *ctx)
{
	_exit(*rwkvmon_url(ctx) != 0);
}

static void a_child_has_no_server(void **state)
{
	rwkvmon *mon = open_handle("a", "127.0.0.1:0", NULL);

	(void)state;
	await(rwkvmon_url(mon), "rwkv_backend_up");
	assert_int_equal(status_of_child(ask_for_url, mon), 0);
	await(rwkvmon_url(mon), "rwkv_backend_up"); /* the parent's still answers */
	rwkvmon_close(mon, NULL);
}

static void a_short_run_leaves_its_numbers(void **state)
{
	char path[] = "/tmp/rwkvmon-publish-XXXXXX";
	struct buf text = { 0 };
	char host[200] = "localhost", series[400];
	rwkvmon *mon;

	(void)state;
	gethostname(host, sizeof host - 1);
	close(mkstemp(path));
	mon = open_handle("a", NULL, path);
	steps(mon, 100);
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	assert_int_equal(file_read(&text, path, 1 << 20, NULL), 0);
	snprintf(series, sizeof series, "rwkv_token_total{instance=\"%s:%ld\",model=\"a\",backend=\"test\"} 100\n",
		 host, (long)getpid());
	if (!strstr(text.p, series))
		fail_msg("no %s in %s", series, text.p);
	snprintf(series, sizeof series, "rwkv_backend_up{instance=\"%s:%ld\",model=\"a\",backend=\"test\"} 0\n", host,
		 (long)getpid());
	assert_non_null(strstr(text.p, series));
	buf_free(&text);
	unlink(path);
}

static void what_cannot_be_is_told_at_once(void **state)
{
	static const struct {
		const char *listen, *textfile, *says;
	} cases[] = {
		{ "127.0.0.1:notaport", NULL, "expected ADDR:PORT" },
		{ "192.0.2.1:1", NULL, "cannot listen on 192.0.2.1 port 1" },
		{ NULL, "/nonexistent/x.prom", "/nonexistent/x.prom" },
		{ "127.0.0.1:0", "/nonexistent/x.prom", "/nonexistent/x.prom" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
					      .listen = cases[i].listen,
					      .metrics_textfile = cases[i].textfile };
		char why[RWKVMON_ERROR_BYTES];
		rwkvmon *mon;

		assert_true(rwkvmon_open(&mon, &cfg, why) < 0);
		if (!strstr(why, cases[i].says))
			fail_msg("\"%s\" lacks \"%s\"", why, cases[i].says);
	}
}

static void *open_and_close(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < 20; i++) {
		rwkvmon *mon = open_handle("a", "127.0.0.1:0", NULL);
		struct buf text;

		steps(mon, 10);
		text = scrape(rwkvmon_url(mon));
		assert_non_null(strstr(text.p, "200 OK"));
		buf_free(&text);
		rwkvmon_close(mon, NULL);
	}
	return NULL;
}

static void threads_come_and_go(void **state)
{
	pthread_t thread[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, open_and_close, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}

/* --- a file that cannot be written for a while ---------------------------------------------------------- */

static uint64_t now_ns;

static uint64_t told_mono(void *ctx)
{
	(void)ctx;
	return now_ns;
}

static int64_t told_wall(void *ctx)
{
	(void)ctx;
	return INT64_C(1760000000000000) + (int64_t)(now_ns / 1000);
}

static void no_own(void *ctx, struct exporter_own *out)
{
	(void)ctx, (void)out;
}

/* Its folder goes and comes back: whoever asks meanwhile learns of it, nobody afterwards. */
static void a_file_that_is_not_written_is_told(void **state)
{
	static const struct clock clock = { told_mono, told_wall, NULL };
	char dir[] = "/tmp/rwkvmon-publish-XXXXXX", file[64];
	const struct publish_config cfg = {
		.textfile = file, .session_id = slice_of("s"), .instance = slice_of("i"), .clock = &clock, .own = no_own
	};
	struct publish *p;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof file, "%s/metrics.prom", dir);
	assert_int_equal(publish_open(&p, &cfg, &err), 0);
	assert_false(publish_trouble(p, &err));
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(dir), 0);
	now_ns += UINT64_C(60000000000);
	publish_sink(p)->flush(publish_sink(p));
	assert_true(publish_trouble(p, &err));
	assert_non_null(strstr(err.text, "metrics.prom"));
	assert_int_equal(mkdir(dir, 0700), 0);
	now_ns += UINT64_C(60000000000);
	publish_sink(p)->flush(publish_sink(p));
	assert_false(publish_trouble(p, &err));
	assert_int_equal(publish_close(p, &err), 0);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_share_a_server),
		cmocka_unit_test(a_child_has_no_server),
		cmocka_unit_test(a_short_run_leaves_its_numbers),
		cmocka_unit_test(what_cannot_be_is_told_at_once),
		cmocka_unit_test(threads_come_and_go),
		cmocka_unit_test(a_file_that_is_not_written_is_told),
	};

	if (!microhttpd_version()) {
		fprintf(stderr, "SKIPPED: publish_test: this build has no HTTP server (libmicrohttpd was missing)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
