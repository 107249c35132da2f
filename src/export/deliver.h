/* deliver.h - alarms leave the process: to a file, a command, a webhook, Alertmanager.
 *
 * Ownership  deliver_open creates and copies what it is given, deliver_close destroys.
 * Threads    the sink's write comes from the writer thread: it renders the alarm and puts it into a queue, under a
 *            lock that is never held during I/O. One thread of its own does all the sending.
 * Bounds     each receiver has a queue of DELIVER_QUEUE alarms; when it is full, the oldest is dropped and counted.
 *            A receiver that fails is tried again after 1 s, doubling to 60 s, each ± 25 %. One that is slow
 *            costs the others at most its time limit.
 * Secrets    addresses may hold tokens: nothing here says more of one than scheme, host and port.
 */
#ifndef RWKVMON_EXPORT_DELIVER_H
#define RWKVMON_EXPORT_DELIVER_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "record/sink.h"

enum { DELIVER_QUEUE = 256 };

struct deliver_config {
	const char *file;		/* JSON lines, appended; NULL: none */
	const char *const *command;	/* argv, NULL at its end; NULL: none */
	const char *webhook, *template; /* address; NULL or a name of webhooks.def */
	const char *alertmanager;	/* address, such as http://127.0.0.1:9093 */
	enum lang lang;			/* of messages for people */
	const struct clock *clock;
};

/* Does it name a receiver? */
bool deliver_wanted(const struct deliver_config *cfg);

struct deliver;

/* *out is NULL on error: no such template, an address that is none, a file that cannot be opened, no libcurl. */
int deliver_open(struct deliver **out, const struct deliver_config *cfg, struct err *err);
struct sink *deliver_sink(struct deliver *d);

/* Tries to deliver what is queued, for at most wait_ms; alerts that still fire are resolved at Alertmanager. Returns
 * how many alarms a receiver never got (one that two missed counts twice); `why` (n bytes) gets who and why. */
uint64_t deliver_close(struct deliver *d, unsigned wait_ms, char *why, size_t n);

/* An alarm's numbers for people: "value 61.2, limit 50", and of a collapse "; loop since token 690, 86 tokens wasted".
 * Nothing when it has none: its rule is gone. */
void format_reading(struct buf *out, const struct record *alarm, enum lang lang);

/* "libcurl 7.88.1", or why there is none. */
void deliver_version(char *text, size_t n);

#endif
