/* sender.h - a thread that sends what a spool holds to VictoriaLogs, at least once.
 *
 * Lines go to URL/insert/jsonline. Streams of the engine are told apart by instance, model, strategy and kind of line;
 * sessions have no streams of their own. A batch leaves the spool once the engine has answered that it took it. One
 * that fails is tried again, after 1 s, doubling to 60 s; only what the engine says is no proper request is lost, and
 * told.
 *
 * Ownership  sender_open creates, sender_close destroys; the spool and the clock are borrowed.
 * Secrets    of the address only scheme, host and port are ever shown; the token never.
 */
#ifndef RWKVMON_SHIP_SENDER_H
#define RWKVMON_SHIP_SENDER_H

#include "base/clock.h"
#include "ship/backlog.h"

struct sender;

struct sender_config {
	const char *url;   /* http://HOST:9428 */
	const char *token; /* NULL: none */
	const char *ca;    /* file of certificates; NULL: the system's */
	const struct clock *clock;
};

int sender_open(struct sender **out, struct backlog *spool, const struct sender_config *cfg, struct err *err);

/* There is something new in the spool. */
void sender_wake(struct sender *s);

/* What changed since it was asked last, in words: it does not answer, it answers again, it refused lines. False:
 * nothing. */
bool sender_news(struct sender *s, char *words, size_t n);

/* Tries to send what waits, for at most wait_ms, and ends the thread; lines that have arrived since it was opened. */
uint64_t sender_finish(struct sender *s, unsigned wait_ms);

void sender_close(struct sender *s);

#endif
