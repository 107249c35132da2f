/* live_page.h - what the live page is drawn from: the report's charts and words, without the report around them. */
#ifndef RWKVMON_REPORT_LIVE_PAGE_H
#define RWKVMON_REPORT_LIVE_PAGE_H

#include "analyze/findings.h"
#include "base/json.h"

/* The page's own files. */
enum live_file { LIVE_HTML, LIVE_CSS, LIVE_JS, LIVE_FILES };
void live_file_add(struct buf *out, enum live_file file);

/* {"charts": [{"title", "question", "panels": [{"id", "title"}]}], "model": what report.js gets}. One line. */
void live_page_model(struct json *out, const struct findings *f, enum lang lang);

/* One series in the model's form: its newest buckets. One line. */
void live_page_series(struct json *out, const struct series *s);

/* {"lang", "version", "text": {NAME: words}} */
void live_page_words(struct json *out, enum lang lang);

#endif
