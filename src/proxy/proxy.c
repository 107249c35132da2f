/* proxy.c - open, the loop, close. */
#include "proxy/inside.h"

#include "export/url.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 8, TICK_MS = 1000 };

static int bad_upstream(struct err *err)
{
	err_set(err, ERR_USAGE, "--upstream: expected http://HOST:PORT or https://HOST/PATH");
	return err_hint(err, "without name and password, which clients send themselves, and without ? and #");
}

/* The path before every target goes without its last '/'. */
static int read_upstream(struct proxy *p, const char *url, struct err *err)
{
	int rc = url_check("--upstream", url, err);
	const char *host;
	size_t n, path;

	if (rc)
		return rc;
	if (strlen(url) >= sizeof p->origin || strpbrk(url, "?#@\\\""))
		return bad_upstream(err);
	for (const char *c = url; *c; c++)
		if (*c <= ' ' || *c >= 127)
			return bad_upstream(err);
	host = strstr(url, "://") + 3;
	n = strcspn(host, "/");
	path = strlen(host + n);
	while (path && host[n + path - 1] == '/')
		path--;
	p->https = url[4] == 's';
	snprintf(p->origin, sizeof p->origin, "%.*s", (int)((size_t)(host - url) + n), url);
	snprintf(p->prefix, sizeof p->prefix, "%.*s", (int)path, host + n);
	return 0;
}

static int listen_there(struct proxy *p, struct err *err)
{
	struct address address;
	int rc = address_parse(&address, p->config.listen, err);

	if (!rc)
		rc = address_open(&p->socket, p->url, sizeof p->url, &address, err);
	if (!rc)
		p->loopback = address_is_loopback(address.host);
	return rc;
}

static int look_at(struct proxy *p, int fd, enum source source, struct err *err)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = (uint64_t)source };

	if (!epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e))
		return 0;
	return err_set_os(err, ERR_SYSTEM, errno, "the proxy cannot wait for its sockets");
}

int proxy_open(struct proxy **out, const struct proxy_config *config, struct err *err)
{
	struct proxy *p = calloc(1, sizeof *p);
	int rc;

	*out = NULL;
	if (!p)
		return err_set(err, ERR_NOMEM, "no memory for the proxy");
	p->config = *config;
	p->socket = -1;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	rc = p->epoll < 0 ? err_set_os(err, ERR_SYSTEM, errno, "the proxy cannot wait for its sockets") : 0;
	if (!rc)
		rc = read_upstream(p, config->upstream, err);
	if (!rc)
		rc = upstream_open(p, err);
	if (!rc)
		rc = listen_there(p, err);
	if (!rc)
		rc = front_open(p, err);
	if (!rc)
		rc = look_at(p, front_epoll(p), SOURCE_FRONT, err);
	if (rc) {
		proxy_close(p);
		return rc;
	}
	*out = p;
	return 0;
}

const char *proxy_url(const struct proxy *p)
{
	return p->url;
}

/* --- the loop ------------------------------------------------------------------------- */

static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* True: it is time to stop. */
static bool take(struct proxy *p, const struct epoll_event *e)
{
	uint64_t what = e->data.u64;

	switch ((enum source)(what & ((1 << SOURCE_BITS) - 1))) {
	case SOURCE_UPSTREAM:
		upstream_event(p, (int)(what >> SOURCE_BITS), e->events);
		return false;
	case SOURCE_CLIENT:
		exchange_client_left((struct exchange *)(uintptr_t)(what - SOURCE_CLIENT));
		return false;
	case SOURCE_STOP:
		return true;
	case SOURCE_FRONT: /* gets its turn in any case */
		break;
	}
	return false;
}

static void resume_those_ready(struct proxy *p)
{
	for (struct exchange *x = p->exchanges; x; x = x->next)
		if (x->suspended && x->ready)
			front_resume(x);
}

/* Resumes transfers whose clients have read on. */
static void go_on(struct proxy *p)
{
	for (struct exchange *x = p->exchanges; x; x = x->next)
		if (x->paused && x->easy && exchange_waiting(x) < PENDING_MAX / 2)
			upstream_go_on(x);
}

/* Nobody waits for what is read for the watcher: it is read one answer at a time, whenever all that came has been
 * passed on. Where that never happens, exchange_hold reads. */
static void read_some(struct proxy *p)
{
	struct exchange *x = p->exchanges;

	while (x && exchange_unread(x) == 0)
		x = x->next;
	p->unread = x != NULL;
	if (x)
		exchange_read(x);
}

static int wait_ms(struct proxy *p)
{
	bool at_once = p->has_room || p->unread;

	p->has_room = false;
	return at_once ? 0 : sooner(p->connections ? TICK_MS : -1, sooner(upstream_wait_ms(p), front_wait_ms(p)));
}

/* Data that came in is passed on before waiting for more. */
int proxy_run(struct proxy *p, int stop, struct err *err)
{
	struct epoll_event event[EVENTS];
	bool stopping = false;
	uint64_t ticked = proxy_now_ns();
	int rc = look_at(p, stop, SOURCE_STOP, err);

	while (!rc && !stopping) {
		int n = epoll_wait(p->epoll, event, EVENTS, wait_ms(p));

		if (n < 0 && errno != EINTR)
			rc = err_set_os(err, ERR_SYSTEM, errno, "the proxy cannot wait for its sockets");
		for (int i = 0; i < n; i++)
			stopping |= take(p, &event[i]);
		upstream_turn(p);
		resume_those_ready(p);
		front_turn(p);
		go_on(p);
		if (!n && p->unread)
			read_some(p);
		if (proxy_now_ns() - ticked >= TICK_MS * UINT64_C(1000000)) {
			front_shut_overdue(p);
			ticked = proxy_now_ns();
		}
	}
	return rc;
}

/* The front stops only when it holds no request; those that it meets in its last turn are refused. */
static void cut_all(struct proxy *p)
{
	p->stopping = true;
	for (struct exchange *x = p->exchanges; x; x = x->next)
		if (x->mhd && !x->left) {
			snprintf(x->why, sizeof x->why, "the proxy was stopped");
			upstream_cancel(x);
			exchange_end_watch(x, PROXY_FAILED);
			exchange_client_left(x);
		}
	resume_those_ready(p);
	front_turn(p);
}

void proxy_close(struct proxy *p)
{
	if (!p)
		return;
	if (p->front)
		cut_all(p);
	front_close(p);
	while (p->exchanges)
		exchange_free(p->exchanges);
	if (p->upstream)
		upstream_close(p);
	if (p->socket >= 0)
		close(p->socket);
	if (p->epoll >= 0)
		close(p->epoll);
	free(p);
}
