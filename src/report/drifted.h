/* drifted.h - finds the sessions whose states moved farthest from the start of their sequences. */
#ifndef RWKVMON_REPORT_DRIFTED_H
#define RWKVMON_REPORT_DRIFTED_H

#include "analyze/findings.h"

/* At most `most` of them, the farthest first, of equal ones the earlier in the log. Returns how many; *all: those with
 * samples. */
size_t drifted_sessions(const struct findings *f, const struct session_findings *out[], size_t most, size_t *all);

#endif
