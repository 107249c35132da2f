/* rotation.h - renames a full log file, and removes old ones. Errors are errno values. */
#ifndef RWKVMON_LOG_ROTATION_H
#define RWKVMON_LOG_ROTATION_H

#include "log/segment.h"

#include <stdint.h>

/* Renames the segment's file to its rotated name. *stamp_us is the time in the previous rotated name (0: none); names
 * only ever increase, also when the clock is set back. ESTALE: another process has already rotated the file. */
int rotation_rename(struct segment *s, int64_t wall_us, int64_t *stamp_us);

/* Removes the oldest rotated files of `path` so that `keep` remain. */
int rotation_prune(const char *path, unsigned keep);

#endif
