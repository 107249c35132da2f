/* frame.h - a screenful of text as cells: what is drawn before any terminal is touched.
 *
 * A character that is two columns wide owns its cell and the next. Texts of logs are cleaned: what could steer a
 * terminal becomes U+FFFD. What lies outside is cut off, never wrapped.
 *
 * Ownership  frame_open creates, frame_free releases; texts are copied.
 */
#ifndef RWKVMON_TUI_FRAME_H
#define RWKVMON_TUI_FRAME_H

#include "base/buf.h"
#include "report/terminal.h"

struct frame_cell {
	char text[5]; /* one character, or "" for a blank or the right half of a wide one */
	bool right_half;
	enum tint tint;
	bool reversed;
};

struct frame {
	size_t rows, columns;
	struct frame_cell *cell; /* (rows, columns) */
};

enum { FRAME_ROWS_MAX = 500, FRAME_COLUMNS_MAX = 500 };

/* Blank; false when memory is out. Sizes are cut to the most. */
bool frame_open(struct frame *f, size_t rows, size_t columns);
void frame_free(struct frame *f);

/* Puts at most `columns` columns of text at row, column; returns the columns it took. */
size_t frame_put(struct frame *f, size_t row, size_t column, enum tint tint, const char *text, size_t columns);

/* The same, ending at column + columns. */
void frame_put_right(struct frame *f, size_t row, size_t column, enum tint tint, const char *text, size_t columns);

/* As plain lines without blanks at their ends; empty lines at the end of the frame are dropped. */
void frame_text(struct buf *out, const struct frame *f);

#endif
