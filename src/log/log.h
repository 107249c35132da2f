/* log.h - the sink that turns records into lines of a file.
 *
 * Promises   a line is written whole and in order; nothing already written changes. What
 *            a failing disk does not take is kept (up to 4 MiB) and tried again at every
 *            flush; beyond that records are dropped, counted, and reported by a `gap`
 *            record when writing works again. A torn last line of an older run is ended
 *            before the first new one. Data reaches the disk at least every second.
 * Threads    one thread at a time.
 */
#ifndef RWKVMON_LOG_LOG_H
#define RWKVMON_LOG_LOG_H

#include "base/clock.h"
#include "base/err.h"
#include "record/sink.h"

struct log;

/* "" gives rwkv_monitor_YYYYmmdd_HHMMSS.log in the working directory. *out is NULL on error. */
int log_open(struct log **out, const char *path, const struct clock *clock, struct err *err);

/* The log as a sink; its close() is log_close's business. */
struct sink *log_sink(struct log *log);

const char *log_path(const struct log *log);

/* Flushes, syncs, closes, frees. *dropped gets the records that did not reach the file.
 * An error says why, also when only earlier writes failed. */
int log_close(struct log *log, uint64_t *dropped, struct err *err);

#endif
