/* lineage.h - what the session_start of a stream leaves out, since that of its handle said it (`stream_of`).
 *
 * Ownership  copies of what was said are the lineage's; a result points into it and into the record, until the next
 *            call.
 * Bounds     the last LINEAGE_MAX handles are remembered, about 2 KiB each, of texts up to LINEAGE_TEXT bytes.
 */
#ifndef RWKVMON_RECORD_LINEAGE_H
#define RWKVMON_RECORD_LINEAGE_H

#include "record/record.h"

enum { LINEAGE_MAX = 64, LINEAGE_TEXT = 512 };

struct lineage;

struct lineage *lineage_open(void); /* NULL: no memory */
void lineage_close(struct lineage *l);

/* A session_start, in the order of the log. Of a stream: its fields and those of its handle that it leaves out, in
 * *room, when that handle was seen before. Else the record's own, which are remembered unless it is a stream's. Without
 * memory the record's own. */
const struct field_values *lineage_of(struct lineage *l, const struct record *start, struct field_values *room);

#endif
