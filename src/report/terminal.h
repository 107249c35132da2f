/* terminal.h - text that fits columns: padding, cutting, wrapping, colours, numbers for people.
 *
 * All widths are in terminal columns (East Asian wide characters take 2), so that tables are aligned in both languages.
 * Texts from a log go through term_clean, which removes everything that could control a terminal. */
#ifndef RWKVMON_REPORT_TERMINAL_H
#define RWKVMON_REPORT_TERMINAL_H

#include "base/buf.h"
#include "report/report.h"
#include "spec/metrics.h"
#include "spec/text.h"

enum tint { TINT_PLAIN, TINT_BOLD, TINT_DIM, TINT_GOOD, TINT_WARN, TINT_BAD, TINT_COUNT };

struct term {
	struct buf *out;
	enum lang lang;
	bool color, ascii;
	size_t columns;
	size_t at; /* columns used of the present line */
};

/* At least REPORT_COLUMNS wide. */
struct term term_begin(struct buf *out, const struct report_options *opts);

enum { TERM_TEXT = 640 }; /* bytes of a short text, NUL included */

/* The short text of a value. Unknown (not finite) is a dash. */
const char *term_number(char out[TERM_TEXT], double value);
const char *term_value(char out[TERM_TEXT], enum metric_id m, double value); /* with its unit */
const char *term_bytes(char out[TERM_TEXT], double bytes);
const char *term_count(char out[TERM_TEXT], uint64_t value);
const char *term_share(char out[TERM_TEXT], uint64_t part, uint64_t whole);
const char *term_lasted(char out[TERM_TEXT], int64_t us);
/* Control characters and broken UTF-8 become U+FFFD (ascii: '?'); cut to `columns`, from
 * the left when `keep_end`. */
const char *term_clean(char out[TERM_TEXT], const struct term *t, const char *text, size_t columns, bool keep_end);

/* Columns for a name that has `least` of them in the narrowest line: more in a wider one, up to what names need. */
size_t term_name_columns(const struct term *t, size_t least);

/* The same as term_clean, of any length and in full. */
void term_clean_all(struct buf *out, const struct term *t, const char *text);

void term_left(struct term *t, enum tint tint, const char *text, size_t columns);
void term_right(struct term *t, enum tint tint, const char *text, size_t columns);
void term_put(struct term *t, enum tint tint, const char *text); /* as wide as it is */
void term_indent(struct term *t, size_t columns);
const char *term_word(const struct term *t, enum text_id id);
void term_head(struct term *t, enum text_id id, size_t columns); /* of a column of numbers */
void term_newline(struct term *t);                               /* drops blanks at the end of the line */
/* A heading with a rule to the right margin, and an optional remark at its end. */
void term_heading(struct term *t, enum text_id id, const char *remark);
/* Words from column `indent` on, broken to fit; what is already on the line counts. */
void term_wrap(struct term *t, enum tint tint, const char *text, size_t indent);
/* The same of a text with its values filled in. */
void term_say(struct term *t, enum tint tint, size_t indent, enum text_id id, const char *const *args);
/* Lines, each broken where it is too long; what follows the break stands below the first word. */
void term_lines(struct term *t, enum tint tint, const char *text);
/* A line of its own: n more of them; nothing for 0. */
void term_more(struct term *t, size_t indent, enum text_id id, uint64_t n);

#endif
