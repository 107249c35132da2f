/* deliver.h - delivers alarms to files, commands, chat services and Alertmanager.
 *
 *     sink ──► one outbox per receiver (queue, thread, retry)  ──► the receiver's send()
 *                └► what is critical and did not arrive: the spool, until the next start
 *
 * Ownership  deliver_open creates and copies what it is given, deliver_close destroys.
 * Threads    the sink's write comes from the writer thread: it renders the alarm and puts it into each queue, under a
 *            lock that is never held during I/O. Each receiver has its own thread: one that hangs delays no other.
 * Bounds     each receiver has a queue of DELIVER_QUEUE alarms; when it is full, the oldest is dropped and counted,
 *            critical ones last. A receiver that fails is tried again after 1 s, doubling to 60 s, each ± 25 %, or at
 *            the time that it names.
 * Secrets    addresses may hold tokens: only their scheme, host and port are ever shown.
 */
#ifndef RWKVMON_EXPORT_DELIVER_H
#define RWKVMON_EXPORT_DELIVER_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "record/sink.h"

enum { DELIVER_QUEUE = 256 };

struct deliver_config {
	const char *const
		*to;       /* each KIND+ADDRESS, or @FILE with one per line; NULL ends the list; NULL: no receivers */
	const char *spool; /* file; NULL: what did not arrive is lost */
	enum lang lang;    /* of messages for people */
	const struct clock *clock;
};

/* Alarms that a receiver did not get; one that two missed counts twice. */
struct deliver_loss {
	uint64_t alarms;
	uint64_t critical; /* of these, critical ones that nothing keeps for the next start; with those of earlier
			      sessions that made room for others in the spool */
};

struct deliver;

/* Also puts what the spool holds for these receivers into their queues. *out is NULL on error: an unknown kind, an
 * invalid address, a file that cannot be opened, no libcurl. */
int deliver_open(struct deliver **out, const struct deliver_config *cfg, struct err *err);
struct sink *deliver_sink(struct deliver *d);

/* What is lost for good by now. */
struct deliver_loss deliver_lost(const struct deliver *d);

/* Tries to deliver what is queued, all receivers at the same time, for at most wait_ms; alerts that still fire are
 * resolved at Alertmanager. Returns what was lost; `why` (n bytes) gets who missed how many and why, and how many
 * critical ones wait in the spool or are lost for good. */
struct deliver_loss deliver_close(struct deliver *d, unsigned wait_ms, char *why, size_t n);

/* An alarm's numbers for people: "value 61.2, limit 50", and of a collapse "; loop since token 690, 86 tokens wasted".
 * Nothing if it has none, because its rule no longer exists. */
void format_reading(struct buf *out, const struct record *alarm, enum lang lang);

/* "libcurl 7.88.1", or why there is none. */
void deliver_version(char *text, size_t n);

#endif
