/* partial.h - parts: a part holds what an analysis needs from some logs, in a file a fraction of their size; it is
 * merged with other parts elsewhere.
 *
 * Much of an analysis depends on the order of all steps (what is normal is learned, pauses lie between calls), so a
 * part holds its steps and events (columns_code.h), by log, and where each log belongs in time. Merged parts are read
 * in the order in which read_open would read all their logs, whatever order they are named in, and give the same
 * findings to the bit.
 *
 *     file    "rwkvpart", version, vocabulary (columns_code.h), frames
 *     frame   kind, bytes, checksum over all before it and its bytes, bytes
 *     kinds   LOG name and time, then its ROWS; last END: the input's counts
 *
 * Ownership  partials_open creates, partials_close destroys. Rows, and what they point to, live until the next call.
 * Threads    one at a time.
 * Bounds     a frame has at most PARTIAL_FRAME_MAX bytes, and one frame is in memory; for each log, its name and 64
 * bytes. Parts are input like any other: what is damaged, cut off, or of another version is refused.
 */
#ifndef RWKVMON_READ_PARTIAL_H
#define RWKVMON_READ_PARTIAL_H

#include "read/read.h"

enum { PARTIAL_FRAME_MAX = 64 << 20, PARTIAL_LOGS_MAX = 1 << 20, PARTIAL_NAME_MAX = 4096 };

/* Writes everything that the reader has into the part `path`; the file appears under that name only when it is
 * complete. A log without a record is no error.
 */
int partial_write(const char *path, struct reader *r, struct err *err);

struct partials;

/* All parts are checked from end to end before the first row comes. *out is NULL on error. */
int partials_open(struct partials **out, const char *const *paths, size_t n, struct err *err);

/* 1: the next rows, at least one; 0: the end; negative: *err says why. An input without a record ends with ERR_FORMAT.
 */
int partials_next(struct partials *p, struct columns *out, struct err *err);

/* The same counts that read_input gives for the logs. */
const struct input_stats *partials_input(const struct partials *p);
void partials_close(struct partials *p);

#endif
