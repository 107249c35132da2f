/* markdown.h - escapes text so that Markdown shows it literally. */
#ifndef RWKVMON_REPORT_MARKDOWN_H
#define RWKVMON_REPORT_MARKDOWN_H

#include "base/buf.h"

/* Escapes what Markdown or HTML would take for markup; line breaks and control characters become blanks. */
void md_text(struct buf *out, const char *text);
/* A blank line, the heading, a blank line. */
void md_heading(struct buf *out, int level, const char *text);

#endif
