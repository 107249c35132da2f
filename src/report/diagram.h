/* diagram.h - the diagrams as inline SVG, drawn by ourselves from the same tables as their Mermaid sources.
 *
 * Colours come from the page's style (classes), so that light, dark and print are one drawing. */
#ifndef RWKVMON_REPORT_DIAGRAM_H
#define RWKVMON_REPORT_DIAGRAM_H

#include "analyze/diagnose.h"
#include "report/page.h"
#include "spec/diagrams.h"

/* The bottleneck tree with the path highlighted. */
void diagram_tree(struct buf *out, const struct page *p, const struct diagnosis *d);
void diagram_boxes(struct buf *out, const struct page *p, enum diagram_id diagram);

#endif
