/* acted.h - passes an action of the caller to the writer thread: a record of EVENT_ACTION in the ring, followed by its
 * fields as plain memory. */
#ifndef RWKVMON_COLLECT_ACTED_H
#define RWKVMON_COLLECT_ACTED_H

#include "record/record.h"

/* [writer] The record's fields, from what follows it; *values must outlive it. */
void acted_unpack(const void *cargo, struct field_values *values);

#endif
