/* exchange.c - one request's life: it is held, watched, failed, cut. */
#include "proxy/inside.h"

#include <stdlib.h>
#include <sys/epoll.h>

struct exchange *exchange_open(struct proxy *p, const char *target)
{
	struct exchange *x = calloc(1, sizeof *x);

	if (!x)
		return NULL;
	x->target = strdup(target);
	if (!x->target) {
		free(x);
		return NULL;
	}
	x->proxy = p;
	x->received = target;
	x->fd = -1;
	x->length = UINT64_MAX;
	x->next = p->exchanges;
	x->link = &p->exchanges;
	if (x->next)
		x->next->link = &x->next;
	p->exchanges = x;
	return x;
}

/* Clients close as soon as they have read the last event, before the answer's end has come. One that has been given all
 * that the model said has aborted nothing. */
static enum proxy_end end_of_client(struct exchange *x)
{
	exchange_read(x);
	return completion_is_whole(&x->seen) && !exchange_waiting(x) ? PROXY_ANSWERED : PROXY_CLIENT_LEFT;
}

/* The client has left. */
void exchange_free(struct exchange *x)
{
	exchange_watch_client(x, false);
	upstream_cancel(x);
	exchange_end_watch(x, end_of_client(x));
	*x->link = x->next;
	if (x->next)
		x->next->link = x->link;
	x->proxy->bodies_bytes -= x->body_bytes;
	completion_free(&x->seen);
	buf_free(&x->body);
	buf_free(&x->answer_headers);
	buf_free(&x->pending);
	free(x->target);
	free(x);
}

void exchange_begin_watch(struct exchange *x, struct slice request_id)
{
	const struct proxy_watcher *w = &x->proxy->config.watcher;
	enum completion_kind kind =
		strcmp(x->method, "POST") ? COMPLETION_NONE : completion_kind_of(slice_of(x->target));

	if (kind == COMPLETION_NONE)
		return;
	completion_begin(&x->seen, kind, buf_slice(&x->body), proxy_now_ns());
	if (w->begin)
		x->begun = w->begin(w->ctx, &x->seen, request_id);
}

void exchange_end_watch(struct exchange *x, enum proxy_end end)
{
	const struct proxy_watcher *w = &x->proxy->config.watcher;
	const struct proxy_outcome o = { end, x->status, x->why, proxy_now_ns() };

	exchange_read(x);
	if (x->seen.kind == COMPLETION_NONE || x->told)
		return;
	x->told = true;
	completion_end(&x->seen, o.now_ns);
	if (x->begun && w->end)
		w->end(w->ctx, x->begun, &x->seen, &o);
}

void exchange_fail(struct exchange *x, int status, const char *why)
{
	snprintf(x->why, sizeof x->why, "%s", why);
	x->refusal = status;
	x->stage = STAGE_FAILED;
	x->ready = true;
}

void exchange_client_left(struct exchange *x)
{
	exchange_watch_client(x, false);
	x->left = x->ready = true;
	upstream_cancel(x);
	exchange_end_watch(x, end_of_client(x));
}

/* The front does not check a suspended client. A client that closes only its sending side counts as gone, as with other
 * servers. */
void exchange_watch_client(struct exchange *x, bool on)
{
	struct epoll_event e = { .events = EPOLLRDHUP, .data.u64 = (uint64_t)(uintptr_t)x | SOURCE_CLIENT };

	if (x->watched == on || x->fd < 0)
		return;
	x->watched = !epoll_ctl(x->proxy->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, x->fd, &e) && on;
}

size_t exchange_waiting(const struct exchange *x)
{
	return x->pending.used - x->sent;
}

void exchange_hold(struct exchange *x, const char *bytes, size_t n)
{
	if (x->sent > x->pending.used / 2) {
		exchange_read(x);
		memmove(x->pending.p, x->pending.p + x->sent, exchange_waiting(x));
		x->pending.used -= x->sent;
		x->read = x->pending.used;
		x->sent = 0;
	}
	if (!exchange_unread(x))
		x->came_ns = proxy_now_ns();
	buf_add(&x->pending, bytes, n);
	x->ready = x->proxy->unread = true;
}

size_t exchange_unread(const struct exchange *x)
{
	return x->pending.used - x->read;
}

void exchange_read(struct exchange *x)
{
	size_t from = x->read;

	x->read = x->pending.used;
	if (x->read > from)
		completion_feed(&x->seen, (struct slice){ x->pending.p + from, x->read - from }, x->came_ns);
}
