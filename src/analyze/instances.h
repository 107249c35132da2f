/* instances.h - the sessions of each host:pid together. */
#ifndef RWKVMON_ANALYZE_INSTANCES_H
#define RWKVMON_ANALYZE_INSTANCES_H

#include "analyze/analysis.h"

/* Fills f->instance once its sessions are there; false when memory is out. */
bool instances_tell(struct findings *f, const struct analysis *a);

#endif
