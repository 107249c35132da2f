/* sink.h - where records go: the log, stderr, exporters. The drain loop calls every sink in turn.
 *
 * Threads  all calls come from the writer thread. A sink may fail inside; it counts and
 *          reports through its own means, never by stopping the others.
 */
#ifndef RWKVMON_RECORD_SINK_H
#define RWKVMON_RECORD_SINK_H

#include "record/record.h"

struct sink {
	void (*write)(struct sink *s, const struct record *r);
	void (*flush)(struct sink *s); /* at least every 100 ms; may be NULL */
	void (*close)(struct sink *s);
};

#endif
