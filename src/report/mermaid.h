/* mermaid.h - the diagrams as sources for Mermaid, from the same tables as the drawings.
 *
 * Labels are quoted, with what would end a quote written as an entity. */
#ifndef RWKVMON_REPORT_MERMAID_H
#define RWKVMON_REPORT_MERMAID_H

#include "analyze/diagnose.h"
#include "base/buf.h"
#include "spec/diagrams.h"

/* The bottleneck tree; with the path lit unless `d` is NULL. */
void mermaid_tree(struct buf *out, const struct diagnosis *d, enum lang lang);
void mermaid_diagram(struct buf *out, enum diagram_id diagram, enum lang lang);

#endif
