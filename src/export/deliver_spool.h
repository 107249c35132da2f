/* deliver_spool.h - keeps critical alarms that did not arrive in a file until the next start.
 *
 * One JSON object on a line: `to` (a number that stands for the receiver's address, which is never written), `time_us`,
 * `rule`, `text` (as the receiver takes it). Mode 0600; at most SPOOL_ALARMS lines and SPOOL_BYTES, the oldest go
 * first. Processes that share a file take turns by a lock, so that an alarm is taken out once. The file is replaced as
 * a whole, by FILE.new: a crash in between leaves the lines that it had. What is taken out is in memory only: a process
 * that is killed then loses it.
 */
#ifndef RWKVMON_EXPORT_DELIVER_SPOOL_H
#define RWKVMON_EXPORT_DELIVER_SPOOL_H

#include "export/deliver_receiver.h"

enum { SPOOL_ALARMS = 256, SPOOL_BYTES = 1 << 20 };

/* The number that represents KIND+ADDRESS in the file. */
uint64_t spool_number(const char *to);

/* The path is taken by something that is no spool: another file, a directory or a device. */
bool spool_is_foreign(const char *path);

/* Puts the list's messages into the file. *dropped gets how many lines, the oldest ones, went to make room. Returns 0
 * or an errno, EEXIST where the file is no spool. */
int spool_put(const char *path, uint64_t number, const struct message *list, size_t *dropped);

/* Takes out what waits for that receiver, oldest first, and gives it to `take`, which takes it over. No file is fine;
 * lines that nobody wrote are dropped, those for which memory has no room wait on. Returns 0 or an errno: what was
 * taken may then come once more. */
int spool_take(const char *path, uint64_t number, void (*take)(void *ctx, struct message *m), void *ctx);

#endif
