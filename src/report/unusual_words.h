/* unusual_words.h - sentences about moments unlike those before them. */
#ifndef RWKVMON_REPORT_UNUSUAL_WORDS_H
#define RWKVMON_REPORT_UNUSUAL_WORDS_H

#include "analyze/departures.h"
#include "base/json.h"
#include "report/page.h"
#include "report/terminal.h"

/* A section each, or nothing when there are none. */
void text_unusual(struct term *t, const struct findings *f, size_t most); /* 0: all */
void page_unusual(struct buf *out, const struct page *p);
void unusual_markdown(struct buf *out, const struct findings *f, enum lang lang);
void unusual_json(struct json *out, const struct findings *f); /* members: the moments, and what was left out */

#endif
