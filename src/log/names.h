/* names.h - the names of a log's files.
 *
 *     run.log                              the file that is being written
 *     run.20250911T123456.789Z.log         what it held until then (UTC): sorting by name,
 *                                          as readers of a directory do, is sorting by time
 *     run.20250911T123456.789Z.log.zst     the same of run.log.zst
 *
 * Texts are returned in buffers of the caller; buf.failed is set if memory ran out.
 */
#ifndef RWKVMON_LOG_NAMES_H
#define RWKVMON_LOG_NAMES_H

#include "base/buf.h"

#include <stdbool.h>

/* What of the path has the form of a placeholder and is none; empty: nothing. */
struct slice log_name_unknown(const char *path);

/* The path a caller gave: "" becomes rwkv_monitor_YYYYmmdd_HHMMSS.log (local time), or with _2 and so on before the
 * dot for the second and any further one of the same time (nth, from 1); {pid}, {session} and {time} (as above) are
 * filled in. In a session id, every character except letters, digits, - _ and . becomes _, so that it never names a
 * folder. */
void log_name_expand(struct buf *out, const char *path, const char *session_id, int64_t wall_us, unsigned nth);

/* The name that `path` gets when it is rotated at that time. */
void log_name_rotated(struct buf *out, const char *path, int64_t wall_us);

/* Is `name` (without its directory) a rotated file of `path`? */
bool log_name_is_rotated(const char *path, const char *name);

/* Does the name ask for compression? */
bool log_name_is_zst(const char *path);

#endif
