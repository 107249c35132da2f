/* owners.h - which sessions keep a series of their own.
 *
 * Only series that are whole are of use: a session gets one with its first step, and when there are too many the smaller
 * half of them is given up for good.
 */
#ifndef RWKVMON_ANALYZE_OWNERS_H
#define RWKVMON_ANALYZE_OWNERS_H

#include "analyze/analysis.h"

/* The session has steps: it gets a series if there is room. */
void owners_add(struct analysis *a, struct session *s);

/* Would a session more have to make room for another? */
bool owners_would_move(const struct analysis *a, size_t more);

/* Another thread's numbers follow what has been decided since it was here last. */
void owners_notice(const struct analysis *a, struct gather *g);

/* A series is kept when both halves of it are there. */
void owners_merge(struct analysis *a, struct session *into, const struct session *from);

#endif
