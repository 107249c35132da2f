/* log.h - the sink that turns records into lines of a file.
 *
 * Promises   A line is written whole and in order, and nothing already written changes.
 *            What is written when a flush returns survives the death of the process; with
 *            `sync` it survives a power cut. A torn tail of an older run is repaired before
 *            the first new line.
 *            Lines that a failing disk does not accept are kept (up to 4 MiB) and tried again at every flush; beyond
 *            that, records are dropped, counted, and reported by a `gap` record when writing works again. A log that
 *            was moved, deleted, or lost its directory is created again as soon as that works.
 *            A failed sync is reported by a `gap` record that gives the error and no lost record; a later success does
 *            not undo it.
 *            Several logs, of this or of other processes, may write to the same file.
 * Files      A name that ends in .zst is compressed, one frame per write. Each file that
 *            rotation or a deletion begins starts with session_start again, so that it can
 *            be read alone. Names are those of log/names.h.
 * Threads    one thread at a time.
 */
#ifndef RWKVMON_LOG_LOG_H
#define RWKVMON_LOG_LOG_H

#include "base/clock.h"
#include "base/err.h"
#include "record/sink.h"

enum log_sync {
	LOG_SYNC_INTERVAL, /* at least every second */
	LOG_SYNC_NEVER,    /* the kernel decides */
	LOG_SYNC_RECORD,   /* after every record */
	LOG_SYNC_COUNT
};

enum { LOG_MODE = 0640 };

struct log_config {
	const char
		*path; /* "": rwkv_monitor_YYYYmmdd_HHMMSS.log, or with _2, …; {pid}, {session}, {time} are filled in */
	const char *session_id;
	enum log_sync sync;
	uint64_t rotate_bytes;   /* a file grows no larger than this and one write; 0: no limit */
	uint64_t rotate_seconds; /* maximum age of a file; 0: no limit */
	unsigned keep;           /* number of rotated files to keep; 0: all */
	unsigned mode;           /* permissions of new files, before the umask is applied; 0: LOG_MODE */
	const struct clock *clock;
};

struct log;

/* *out is NULL on error. Texts are copied. The session of the records that follow must
 * outlive the log. */
int log_open(struct log **out, const struct log_config *cfg, struct err *err);

/* The log as a sink; do not call its close(): log_close does. */
struct sink *log_sink(struct log *log);

const char *log_path(const struct log *log);

/* [any thread] The number of forward calls lost so far; and 0, or an error that describes what went wrong with the
 * file. */
/* [writer] Is there anything that a later flush has to do? */
bool log_waits(const struct log *log);

uint64_t log_dropped(const struct log *log);
int log_trouble(const struct log *log, struct err *err);

/* Flushes, syncs, closes, frees. *dropped gets the forward calls that did not reach the
 * file. An error says why, also when only earlier writes failed. */
int log_close(struct log *log, uint64_t *dropped, struct err *err);

#endif
