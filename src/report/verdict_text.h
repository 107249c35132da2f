/* verdict_text.h - the verdict in one plain sentence: the first thing every report says. */
#ifndef RWKVMON_REPORT_VERDICT_TEXT_H
#define RWKVMON_REPORT_VERDICT_TEXT_H

#include "analyze/findings.h"
#include "base/buf.h"
#include "spec/lang.h"

extern const char *const verdict_ids[VERDICT_COUNT]; /* "healthy", "attention", "critical" */

void verdict_sentence(struct buf *out, const struct findings *f, enum lang lang);

#endif
