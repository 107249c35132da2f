/* template.h - pages that are edited as themselves: what stands between {{ and }} is filled in.
 *
 * Ownership  all is borrowed; *out is appended to.
 */
#ifndef RWKVMON_REPORT_TEMPLATE_H
#define RWKVMON_REPORT_TEMPLATE_H

#include "base/buf.h"
#include "base/slice.h"
#include "spec/lang.h"

/* Writes what the mark stands for. False: the template is left out up to the next {{end}}. */
typedef bool template_mark(struct buf *out, struct slice name, const void *ctx);

/* {{head}} stands for web/head.html, whose marks are filled like the others. */
void template_fill(struct buf *out, struct slice template, template_mark *fill, const void *ctx);

/* What every page has: its language, the program's version, the text of that name, escaped; nothing for another. */
void template_common(struct buf *out, struct slice name, enum lang lang);

#endif
