/* session_texts.h - a text that each session has, for all of them together. */
#ifndef RWKVMON_REPORT_SESSION_TEXTS_H
#define RWKVMON_REPORT_SESSION_TEXTS_H

#include "analyze/findings.h"
#include "base/buf.h"
#include "spec/lang.h"

/* Appends the text if all listed sessions have the same one, otherwise "mixed: " and the first few different ones.
 * Sessions without the text do not count. If none has it, nothing is appended. */
typedef const char *session_text(const struct session_findings *s);
void session_texts(struct buf *out, const struct findings *f, session_text *of, enum lang lang);

/* The same of what instances run on. */
void instance_devices(struct buf *out, const struct findings *f, enum lang lang);

const char *session_model(const struct session_findings *s);
const char *session_strategy(const struct session_findings *s);

#endif
