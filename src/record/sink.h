/* sink.h - the interface of destinations of records: the log, stderr, exporters. The drain loop calls every sink in
 * turn.
 *
 * Threads  all calls come from the writer thread. A sink that fails counts and reports this itself, and never stops the
 *          others.
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
