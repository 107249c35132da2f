/* inside.h - one request on its way through the proxy, and what its two sides share. */
#ifndef RWKVMON_PROXY_INSIDE_H
#define RWKVMON_PROXY_INSIDE_H

#include "base/clock.h"
#include "export/address.h"
#include "proxy/proxy.h"

enum {
	PENDING_MAX = 256 << 10, /* bytes of an answer that wait for the client */
	HEADERS_MAX = 48 << 10,  /* of a request; of an answer */
	BODIES_MAX = 8,          /* requests of the largest size that are held at a time */
};

enum stage {
	STAGE_NEW,       /* its first line is in */
	STAGE_RECEIVING, /* the headers are in */
	STAGE_WAITING,   /* it is at the upstream */
	STAGE_ANSWERING, /* the headers of an answer are in */
	STAGE_FAILED,    /* the upstream gives no answer: `refusal` does */
	STAGE_ANSWERED,  /* an answer is given to the front */
};

struct exchange {
	struct exchange *next, **link; /* all of the proxy */
	struct proxy *proxy;
	enum stage stage;

	/* The front's side. */
	void *mhd;
	int fd;       /* of the client */
	bool watched; /* that it leaves */
	bool suspended, ready, left;
	char *target;         /* as it came, from '/' on */
	const char *received; /* where the library holds it, until `begin` */
	char method[8];
	struct buf body;
	size_t body_bytes; /* as they came: counted in the proxy's bodies_bytes */
	bool has_body;
	int refusal; /* status */
	char why[320];

	/* The upstream's side. */
	void *easy; /* NULL: not under way */
	void *headers;
	uint64_t heard_ns; /* when data last went up or came down */
	size_t uploaded, header_bytes;
	struct buf answer_headers; /* lines */
	int status;
	uint64_t length;                         /* of the answer; UINT64_MAX unknown */
	bool has_length, bad_length, has_coding; /* its headers give a length, one that cannot be, a transfer coding */
	bool broken;                             /* the answer breaks off */
	bool done;                               /* all of it is in `pending` */
	bool paused;
	struct buf pending;
	size_t sent, read; /* of `pending`: what the client has been given; what `seen` has */
	uint64_t came_ns;  /* when the first byte came that `seen` has not */

	struct completion seen;
	void *begun; /* the watcher's */
	bool told;   /* the watcher was told of the end */
};

struct connection;

struct proxy {
	struct proxy_config config;
	struct exchange *exchanges;
	struct connection *connections;
	struct upstream *upstream;
	struct front *front;
	size_t bodies_bytes;
	int epoll, socket;
	bool loopback, https;
	bool stopping; /* no request is held any more */
	bool has_room; /* a client left: the front checks again for waiting connections */
	bool unread;   /* an exchange may hold what its watcher has not read */
	char url[ADDRESS_URL_BYTES];
	char origin[512]; /* http://HOST:PORT */
	char prefix[512]; /* the path before every target, without a / at its end */
};

/* What an event of the epoll set is about: in the low bits of its data. */
enum source { SOURCE_UPSTREAM, SOURCE_CLIENT, SOURCE_FRONT, SOURCE_STOP };
enum { SOURCE_BITS = 3 };

static inline uint64_t proxy_now_ns(void)
{
	return clock_mono_ns(&clock_system);
}

/* --- exchange.c ----------------------------------------------------------------------- */

struct exchange *exchange_open(struct proxy *p, const char *target);
void exchange_free(struct exchange *x);
void exchange_begin_watch(struct exchange *x, struct slice request_id);
void exchange_end_watch(struct exchange *x, enum proxy_end end);
void exchange_fail(struct exchange *x, int status, const char *why); /* before an answer began */
void exchange_client_left(struct exchange *x);
void exchange_watch_client(struct exchange *x, bool on);
size_t exchange_waiting(const struct exchange *x); /* bytes */
void exchange_hold(struct exchange *x, const char *bytes, size_t n);
size_t exchange_unread(const struct exchange *x); /* bytes */
void exchange_read(struct exchange *x);           /* for the watcher */

/* --- upstream.c: libcurl -------------------------------------------------------------- */

int upstream_open(struct proxy *p, struct err *err);
void upstream_close(struct proxy *p);
bool upstream_send(struct exchange *x); /* false: no memory */
bool upstream_add_header(struct exchange *x, const char *name, const char *value);
bool upstream_leave_out(struct exchange *x, const char *name); /* that libcurl would add */
void upstream_cancel(struct exchange *x);
void upstream_event(struct proxy *p, int fd, unsigned events);
void upstream_turn(struct proxy *p);     /* timers that are due; requests that ended */
void upstream_go_on(struct exchange *x); /* it was held back */
int upstream_wait_ms(const struct proxy *p);

/* --- front.c: libmicrohttpd ----------------------------------------------------------- */

int front_open(struct proxy *p, struct err *err);
void front_close(struct proxy *p);
int front_epoll(const struct proxy *p);
int front_wait_ms(const struct proxy *p);
void front_turn(struct proxy *p);
void front_resume(struct exchange *x);
void front_shut_overdue(struct proxy *p);

#endif
