/* documents.h - what the tables say, as documents: JSON Schema, Markdown, man page. */
#ifndef RWKVMON_CLI_DOCUMENTS_H
#define RWKVMON_CLI_DOCUMENTS_H

#include "base/buf.h"

void document_schema(struct buf *out);          /* JSON Schema of a log line, draft 2020-12 */
void document_log_format(struct buf *out);      /* docs/LOG-FORMAT.md */
void document_metrics(struct buf *out);         /* docs/METRICS.md */
void document_rules(struct buf *out);           /* docs/RULES.md */
void document_diagnosis(struct buf *out);       /* docs/DIAGNOSIS.md */
void document_settings(struct buf *out);        /* docs/SETTINGS.md */
void document_python_settings(struct buf *out); /* python/rwkvmon/_settings.py */
void document_man(struct buf *out);             /* docs/rwkvmon.1 */

#endif
