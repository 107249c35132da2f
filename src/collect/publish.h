/* publish.h - publishes a handle's metrics for Prometheus, at an address and in a file.
 *
 * All handles of a process share one exporter, and one server per address: the sums over
 * them are what a scrape sees. Both end with the last handle that uses them.
 *
 * Threads    publish_open and publish_close may be called from any; the sink belongs to the
 *            handle's writer thread.
 * Fork       a child has none of it: publish_forget.
 */
#ifndef RWKVMON_COLLECT_PUBLISH_H
#define RWKVMON_COLLECT_PUBLISH_H

#include "base/clock.h"
#include "base/err.h"
#include "export/snapshot.h"
#include "record/sink.h"

struct publish;

struct publish_config {
	const char *listen;      /* NULL: no server */
	const char *token;       /* NULL: none */
	const char *textfile;    /* NULL: none; written every 15 s and at the end, by renaming */
	struct slice session_id; /* lives as long as the handle */
	struct slice instance;   /* likewise; on every series of the file */
	const struct clock *clock;

	/* Passes on what only the handle knows about itself; called by the sink's thread, and at the end. */
	void (*own)(void *ctx, struct exporter_own *out);
	void *ctx;
};

int publish_open(struct publish **out, const struct publish_config *config, struct err *err);
struct sink *publish_sink(struct publish *p);
const char *publish_url(const struct publish *p); /* "" without a server */

/* [any thread] True: the file could not be written the last time, and *err says why. NULL: nothing is published. */
bool publish_trouble(struct publish *p, struct err *err);

/* After session_end went through the sink. 0, or why the file could not be written the last time. */
int publish_close(struct publish *p, struct err *err);

void publish_forget(void);

#endif
