/* proxy_bench.c - what `rwkvmon proxy` adds to each piece of many streams at a time.
 *
 *     proxy_bench [STREAMS [ROUNDS [SECONDS]]]
 *
 * A server of this program stamps each piece when it sends it, a client of this program reads the stamp when it has it:
 * directly and through the proxy, in turns. A stream is 50 tokens/s, as pieces of chat completions; they come spread
 * over time, or all at once as from a server that computes them in one batch. Exit code 1 when the promise is not kept.
 */
#include "base/clock.h"
#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STREAMS_MAX = 512, TICK_NS = 20000000, SAMPLES_MAX = 1 << 20, CARRY = 64, PIECE_BYTES = 4096, LIKELIEST = 20 };

static const double MEDIAN_MS = 1, P99_MS = 3; /* what is promised */

struct way {
	const char *name;
	bool at_once, logprobs;
};

static const struct way ways[] = { { "spread over time", false, false },
				   { "all at once", true, false },
				   { "all at once, 20 logprobs", true, true } };

static size_t n_streams = 64;
static unsigned seconds = 4;
static atomic_bool over;

static uint64_t now_ns(void)
{
	return clock_mono_ns(&clock_system);
}

static void die(const char *what)
{
	perror(what);
	exit(4);
}

/* --- the server ----------------------------------------------------------------------- */

struct server {
	int listening, fd[STREAMS_MAX];
	const struct way *way;
	char likeliest[PIECE_BYTES];
};

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

		if (done < 0 && errno != EINTR)
			return; /* the client had enough */
		p += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
}

/* A request is in one piece: it is small. */
static void begin_stream(int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	char request[4096];
	int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (recv(fd, request, sizeof request, 0) < 0)
		die("recv");
	write_all(fd, head, sizeof head - 1);
}

static void send_piece(struct server *s, size_t i)
{
	char body[2 * PIECE_BYTES], framed[2 * PIECE_BYTES + 32];
	int n = snprintf(
		body, sizeof body,
		"data: {\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":"
		"1757594096,\"model\":\"rwkv7-g1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},"
		"%s\"finish_reason\":null}],\"t\":%llu,\"x\":0}\n\n",
		s->way->logprobs ? s->likeliest : "", (unsigned long long)now_ns());

	n = snprintf(framed, sizeof framed, "%x\r\n%s\r\n", (unsigned)n, body);
	write_all(s->fd[i], framed, (size_t)n);
}

static void sleep_until(uint64_t ns)
{
	const struct timespec at = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void *serve(void *ctx)
{
	struct server *s = ctx;
	uint64_t tick;

	for (size_t i = 0; i < n_streams; i++) {
		s->fd[i] = accept(s->listening, NULL, NULL);
		if (s->fd[i] < 0)
			die("accept");
		begin_stream(s->fd[i]);
	}
	for (tick = now_ns() + TICK_NS; !atomic_load(&over); tick += TICK_NS)
		for (size_t i = 0; i < n_streams; i++) {
			sleep_until(tick + (s->way->at_once ? 0 : i * (TICK_NS / n_streams)));
			send_piece(s, i);
		}
	for (size_t i = 0; i < n_streams; i++)
		close(s->fd[i]);
	return NULL;
}

static void describe_likeliest(struct server *s)
{
	size_t n = (size_t)snprintf(
		s->likeliest, sizeof s->likeliest,
		"\"logprobs\":{\"content\":[{\"token\":\" word\",\"logprob\":-0.69,\"top_logprobs\":[");

	for (int i = 0; i < LIKELIEST; i++)
		n += (size_t)snprintf(s->likeliest + n, sizeof s->likeliest - n,
				      "%s{\"token\":\" token%d\",\"logprob\":-%d.%d,\"bytes\":[32,116]}", i ? "," : "",
				      i, i + 1, i);
	snprintf(s->likeliest + n, sizeof s->likeliest - n, "]}]},");
}

static uint16_t listen_somewhere(struct server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;

	s->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listening < 0 || bind(s->listening, (struct sockaddr *)&at, n) || listen(s->listening, STREAMS_MAX) ||
	    getsockname(s->listening, (struct sockaddr *)&at, &n))
		die("listen");
	return ntohs(at.sin_port);
}

/* --- the client ----------------------------------------------------------------------- */

struct stream {
	int fd;
	char carry[CARRY]; /* the end of what was read, where a stamp may have begun */
	size_t carried;
};

struct samples {
	uint32_t *ns;
	size_t n;
};

static int ask(uint16_t port)
{
	static const char body[] =
		"{\"model\":\"rwkv7-g1\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(port) };
	char request[512];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), n;

	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at))
		die("connect");
	n = snprintf(request, sizeof request,
		     "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
		     "Content-Length: %zu\r\n\r\n%s",
		     sizeof body - 1, body);
	write_all(fd, request, (size_t)n);
	return fd;
}

/* "t":123, of which all is there. */
static void read_stamps(struct stream *s, const char *p, size_t n, uint64_t now, struct samples *out)
{
	static const char mark[] = "\"t\":";
	const char *end = p + n, *at;

	while ((at = memmem(p, (size_t)(end - p), mark, sizeof mark - 1)) && memchr(at, ',', (size_t)(end - at))) {
		uint64_t late = now - strtoull(at + sizeof mark - 1, NULL, 10);

		if (out->n < SAMPLES_MAX)
			out->ns[out->n++] = late < UINT32_MAX ? (uint32_t)late : UINT32_MAX;
		p = at + sizeof mark - 1;
	}
	s->carried = (size_t)(end - p) < CARRY ? (size_t)(end - p) : CARRY;
	memcpy(s->carry, end - s->carried, s->carried);
}

/* False: the stream is over. */
static bool take(struct stream *s, struct samples *out)
{
	static char bytes[CARRY + (64 << 10) + 1];
	ssize_t n;

	memcpy(bytes, s->carry, s->carried);
	n = recv(s->fd, bytes + s->carried, 64 << 10, 0);
	if (n <= 0)
		return false;
	bytes[s->carried + (size_t)n] = 0;
	read_stamps(s, bytes, s->carried + (size_t)n, now_ns(), out);
	return true;
}

static void listen_to_all(uint16_t port, struct samples *out)
{
	static struct stream stream[STREAMS_MAX];
	struct epoll_event e[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC), n;
	size_t left = n_streams;
	uint64_t until;

	for (size_t i = 0; i < n_streams; i++) {
		stream[i] = (struct stream){ .fd = ask(port) };
		epoll_ctl(epoll, EPOLL_CTL_ADD, stream[i].fd,
			  &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &stream[i] });
	}
	for (until = now_ns() + seconds * UINT64_C(1000000000); left;) {
		n = epoll_wait(epoll, e, 64, 100);
		for (int i = 0; i < n; i++) {
			struct stream *s = e[i].data.ptr;

			if (!take(s, out)) {
				epoll_ctl(epoll, EPOLL_CTL_DEL, s->fd, &e[i]);
				close(s->fd);
				left--;
			}
		}
		if (now_ns() > until)
			atomic_store(&over, true);
	}
	close(epoll);
}

/* --- one round ------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double at_share(const struct samples *s, double share)
{
	return s->n ? s->ns[(size_t)((double)(s->n - 1) * share)] / 1e6 : 0;
}

static void listen_for_a_while(struct server *s, const struct way *way, uint16_t port, struct samples *out)
{
	pthread_t thread;

	s->way = way;
	atomic_store(&over, false);
	if (pthread_create(&thread, NULL, serve, s))
		die("pthread_create");
	listen_to_all(port, out);
	pthread_join(thread, NULL);
}

/* Processor time of the proxy so far, from /proc. */
static double cpu_us(pid_t pid)
{
	char path[64], text[1024] = "";
	unsigned long long user = 0, system = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/schedstat", (long)pid);
	f = fopen(path, "r");
	if (f && fgets(text, sizeof text, f))
		sscanf(text, "%llu %llu", &user, &system);
	if (f)
		fclose(f);
	return (double)user / 1e3;
}

/* --- the proxy ------------------------------------------------------------------------ */

static pid_t start_proxy(const char *self, uint16_t upstream, const char *dir, uint16_t *port)
{
	char program[1024], url[64], log[1100], said[1100], text[1024] = "";
	char *argv[] = { program, "proxy", "--upstream", url, "--bind", "127.0.0.1:0", "--log", log, NULL };
	extern char **environ;
	posix_spawn_file_actions_t actions;
	const char *slash = strrchr(self, '/'), *at = NULL;
	pid_t pid;

	snprintf(program, sizeof program, "%.*s/../rwkvmon", slash ? (int)(slash - self) : 1, slash ? self : ".");
	snprintf(url, sizeof url, "http://127.0.0.1:%u", upstream);
	snprintf(log, sizeof log, "%s/proxy.log", dir);
	snprintf(said, sizeof said, "%s/said", dir);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, said, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	if ((errno = posix_spawn(&pid, program, &actions, NULL, argv, environ)))
		die(program);
	posix_spawn_file_actions_destroy(&actions);
	for (int i = 0; i < 200 && !at; i++) {
		FILE *f = fopen(said, "r");

		usleep(20000);
		if (f && fgets(text, sizeof text, f))
			at = strstr(text, "http://127.0.0.1:");
		if (f)
			fclose(f);
	}
	*port = at ? (uint16_t)strtoul(at + sizeof "http://127.0.0.1:" - 1, NULL, 10) : 0;
	if (!*port) {
		fprintf(stderr, "the proxy did not start: %s\n", text);
		exit(4);
	}
	return pid;
}

static void sort(struct samples *s)
{
	qsort(s->ns, s->n, sizeof *s->ns, by_size);
}

/* In turns, so that what else the machine does hits both. True: the promise is kept. */
static bool compare(struct server *server, const struct way *way, pid_t proxy, uint16_t upstream, uint16_t port,
		    unsigned rounds, struct samples *direct, struct samples *through)
{
	double cpu = cpu_us(proxy), d50, d99, t50, t99;

	direct->n = through->n = 0;
	for (unsigned r = 0; r < rounds; r++) {
		listen_for_a_while(server, way, upstream, direct);
		listen_for_a_while(server, way, port, through);
	}
	sort(direct);
	sort(through);
	d50 = at_share(direct, 0.5), d99 = at_share(direct, 0.99);
	t50 = at_share(through, 0.5), t99 = at_share(through, 0.99);
	printf("%-26s %9zu %9.3f %9.3f %9.3f %9.3f %9.3f %9.3f %9.1f\n", way->name, through->n, d50, d99, t50, t99,
	       t50 - d50, t99 - d99, (cpu_us(proxy) - cpu) / (double)through->n);
	fflush(stdout);
	return through->n && t50 - d50 <= MEDIAN_MS && t99 - d99 <= P99_MS;
}

static void stop_proxy(pid_t proxy, const char *dir)
{
	char path[64];

	kill(proxy, SIGTERM);
	waitpid(proxy, NULL, 0);
	snprintf(path, sizeof path, "%s/proxy.log", dir);
	unlink(path);
	snprintf(path, sizeof path, "%s/said", dir);
	unlink(path);
	rmdir(dir);
}

int main(int argc, char **argv)
{
	static struct server server;
	struct samples direct = { .ns = malloc(SAMPLES_MAX * sizeof(uint32_t)) },
		       through = { .ns = malloc(SAMPLES_MAX * sizeof(uint32_t)) };
	char dir[] = "/tmp/proxy_bench.XXXXXX";
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 3;
	uint16_t upstream, port;
	bool kept = true;
	pid_t proxy;

	n_streams = argc > 1 ? strtoul(argv[1], NULL, 10) : n_streams;
	seconds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : seconds;
	if (!n_streams || n_streams > STREAMS_MAX || !rounds || !direct.ns || !through.ns || !mkdtemp(dir))
		return 2;
	describe_likeliest(&server);
	upstream = listen_somewhere(&server);
	proxy = start_proxy(argv[0], upstream, dir, &port);
	printf("%zu streams of 50 tokens/s, %ld processors; ms from the server's sending to the client's having it\n",
	       n_streams, sysconf(_SC_NPROCESSORS_ONLN));
	printf("%-26s %9s %9s %9s %9s %9s %9s %9s %9s\n", "", "pieces", "direct 50", "99 %", "proxy 50", "99 %",
	       "added 50", "99 %", "CPU us");
	for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
		kept &= compare(&server, &ways[w], proxy, upstream, port, rounds, &direct, &through);
	printf("promised: at most %g ms more at the median, %g ms at 99 %%: %s\n", MEDIAN_MS, P99_MS,
	       kept ? "kept" : "not kept");
	stop_proxy(proxy, dir);
	free(direct.ns);
	free(through.ns);
	return kept ? 0 : 1;
}
