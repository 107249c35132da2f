/* table.h - tables of the page, cell by cell. A table scrolls in itself when the page is narrow. */
#ifndef RWKVMON_REPORT_TABLE_H
#define RWKVMON_REPORT_TABLE_H

#include "report/page.h"

/* table_begin, heads, table_body, rows, table_end. */
void table_begin(struct buf *out, const char *label);
void table_body(struct buf *out);
void table_end(struct buf *out);
void table_head(struct buf *out, const char *name, bool number);
void table_head_words(struct buf *out, const struct page *p, enum text_id name, bool number);

void table_count(struct buf *out, uint64_t count);
void table_value(struct buf *out, enum metric_id m, double value);
void table_log_text(struct buf *out, const char *text);

/* Under a table: the words of `id`, with two counts. */
void table_note(struct buf *out, const struct page *p, enum text_id id, uint64_t a, uint64_t b);

#endif
