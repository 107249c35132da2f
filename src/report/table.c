/* table.c - opens, fills and closes tables of the page. */
#include "report/table.h"

void table_begin(struct buf *out, const char *label)
{
	buf_str(out, "<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"");
	put_str(out, label);
	buf_str(out, "\"><table>\n<thead><tr>");
}

void table_body(struct buf *out)
{
	buf_str(out, "</tr></thead>\n<tbody>\n");
}

void table_end(struct buf *out)
{
	buf_str(out, "</tbody></table></div>\n");
}

void table_head(struct buf *out, const char *name, bool number)
{
	buf_printf(out, "<th scope=\"col\"%s>", number ? " class=\"n\"" : "");
	put_str(out, name);
	buf_str(out, "</th>");
}

void table_head_words(struct buf *out, const struct page *p, enum text_id name, bool number)
{
	table_head(out, words(p, name), number);
}

void table_count(struct buf *out, uint64_t count)
{
	buf_printf(out, "<td class=\"n%s\">", count ? "" : " zero");
	put_count(out, count);
	buf_str(out, "</td>");
}

void table_value(struct buf *out, enum metric_id m, double value)
{
	buf_str(out, "<td class=\"n\">");
	put_value(out, m, value);
	buf_str(out, "</td>");
}

void table_log_text(struct buf *out, const char *text)
{
	buf_str(out, "<td><span class=\"long\">");
	put_log_text(out, text);
	buf_str(out, "</span></td>");
}

void table_note(struct buf *out, const struct page *p, enum text_id id, uint64_t a, uint64_t b)
{
	struct buf first = { 0 }, second = { 0 };

	put_count(&first, a);
	put_count(&second, b);
	buf_str(out, "<p class=\"note\">");
	if (!first.failed && !second.failed)
		put_filled(out, p, id, (const char *[]){ first.p, second.p, NULL });
	buf_str(out, "</p>\n");
	buf_free_into(&first, out);
	buf_free_into(&second, out);
}
