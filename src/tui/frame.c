/* frame.c - a grid of cells that holds wide characters whole. */
#include "tui/frame.h"

#include "base/utf8.h"

#include <stdlib.h>

bool frame_open(struct frame *f, size_t rows, size_t columns)
{
	f->rows = rows < FRAME_ROWS_MAX ? rows : FRAME_ROWS_MAX;
	f->columns = columns < FRAME_COLUMNS_MAX ? columns : FRAME_COLUMNS_MAX;
	f->cell = calloc(f->rows * f->columns + 1, sizeof *f->cell);
	return f->cell != NULL;
}

void frame_free(struct frame *f)
{
	free(f->cell);
	*f = (struct frame){ .rows = 0 };
}

/* If half of a wide character is overwritten, the other half becomes blank. */
static void clear(struct frame *f, size_t row, size_t column)
{
	struct frame_cell *cell = &f->cell[row * f->columns + column];

	if (cell->right_half)
		cell[-1].text[0] = 0;
	if (column + 1 < f->columns && cell[1].right_half)
		cell[1] = (struct frame_cell){ .tint = TINT_PLAIN };
	*cell = (struct frame_cell){ .tint = TINT_PLAIN };
}

static void set(struct frame *f, size_t row, size_t column, enum tint tint, const char *text, size_t bytes, size_t wide)
{
	struct frame_cell *cell = &f->cell[row * f->columns + column];

	for (size_t i = 0; i < wide; i++)
		clear(f, row, column + i);
	memcpy(cell->text, text, bytes);
	cell->text[*text == ' ' ? 0 : bytes] = 0; /* a blank is an empty cell */
	for (size_t i = 0; i < wide; i++) {
		cell[i].tint = tint;
		cell[i].right_half = i > 0;
	}
}

size_t frame_put(struct frame *f, size_t row, size_t column, enum tint tint, const char *text, size_t columns)
{
	struct term t = { .columns = FRAME_COLUMNS_MAX };
	struct buf clean = { 0 };
	size_t end = column + columns < f->columns ? column + columns : f->columns, at = column;

	if (row >= f->rows || column >= end)
		return 0;
	term_clean_all(&clean, &t, text);
	for (const char *p = buf_text(&clean); *p;) {
		size_t bytes = utf8_char_bytes(p, strlen(p)), wide;
		char one[5] = { 0 };

		if (!bytes)
			break;
		memcpy(one, p, bytes);
		wide = utf8_columns(one);
		p += bytes;
		if (at + wide > end)
			break;
		if (!wide)
			continue; /* marks on the character before are left out */
		set(f, row, at, tint, one, bytes, wide);
		at += wide;
	}
	buf_free(&clean);
	return at - column;
}

void frame_put_right(struct frame *f, size_t row, size_t column, enum tint tint, const char *text, size_t columns)
{
	size_t wide = utf8_columns(text);

	frame_put(f, row, column + (wide < columns ? columns - wide : 0), tint, text, wide < columns ? wide : columns);
}

void frame_text(struct buf *out, const struct frame *f)
{
	size_t blank_lines = 0;

	for (size_t row = 0; row < f->rows; row++) {
		const struct frame_cell *cell = &f->cell[row * f->columns];
		size_t end = f->columns;

		while (end && !cell[end - 1].text[0] && !cell[end - 1].right_half)
			end--;
		if (!end) {
			blank_lines++;
			continue;
		}
		for (; blank_lines; blank_lines--)
			buf_char(out, '\n');
		for (size_t i = 0; i < end; i++)
			if (!cell[i].right_half)
				buf_str(out, cell[i].text[0] ? cell[i].text : " ");
		buf_char(out, '\n');
	}
}
