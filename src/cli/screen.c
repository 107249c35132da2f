/* screen.c - text goes out as it is; the progress line is taken away before it and put back after it. */
#include "cli/screen.h"

#include "base/charset.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/tell.h"

#include <unistd.h>

enum { RESUME_BYTES = 60 };

struct screen screen_open(bool silent, bool with_progress)
{
	return (struct screen){ .silent = silent,
				.progress = progress_start(with_progress),
				.terminal = !silent && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) };
}

void screen_free(struct screen *s)
{
	buf_free(&s->kept);
}

static int write_to_terminal(struct screen *s, struct slice text, struct err *err)
{
	size_t columns = progress_columns();
	struct buf out = { 0 };

	for (size_t i = 0, n; i < text.n; i += n) {
		char shown[8] = { 0 };

		n = utf8_char_bytes(text.p + i, text.n - i);
		n = n ? n : 1;
		memcpy(shown, text.p + i, n);
		s->column = *shown == '\n' ? 0 : s->column + utf8_columns(shown);
		buf_add(&out, shown, n);
		if (s->column + 1 >= columns) {
			buf_char(&out, '\n');
			s->column = 0;
		}
		if (!s->column) /* the progress line is where the text goes now */
			progress_clear_below(&s->progress);
	}
	return answer(&out, !charset_is_ascii(), err); /* ASCII alone would make most texts of a model unreadable */
}

/* Shows what was kept since `from`. */
static int show_since(struct screen *s, size_t from, struct err *err)
{
	struct slice text;

	if (s->kept.failed)
		return err_set(err, ERR_NOMEM, "no memory for the text");
	text = (struct slice){ s->kept.p + from, s->kept.used - from };
	if (s->silent || !text.n)
		return 0;
	return s->terminal ? write_to_terminal(s, text, err) : file_write("-", text, err);
}

int screen_say(struct screen *s, struct slice bytes, struct err *err)
{
	size_t from = s->kept.used;

	text_stream_push(&s->stream, bytes, &s->kept);
	return show_since(s, from, err);
}

int screen_end(struct screen *s, struct err *err)
{
	size_t from = s->kept.used;

	text_stream_end(&s->stream, &s->kept);
	return show_since(s, from, err);
}

void screen_forget(struct screen *s)
{
	buf_clear(&s->kept);
	s->stream = (struct text_stream){ 0 };
}

void screen_recall(struct screen *s, struct slice bytes)
{
	text_stream_push(&s->stream, bytes, &s->kept);
}

void screen_note(struct screen *s, const char *line)
{
	screen_progress_end(s);
	tell("%s%s\n", s->column ? "\n" : "", line);
	s->column = 0;
}

int screen_resume(struct screen *s, struct err *err)
{
	size_t from = s->kept.used > RESUME_BYTES ? s->kept.used - RESUME_BYTES : 0;
	const char *p = s->kept.p;
	int rc;

	if (!s->terminal || !s->kept.used || s->kept.failed)
		return 0;
	while (from && from < s->kept.used && p[from] != ' ' && p[from] != '\n')
		from++;
	rc = write_to_terminal(s, slice_of(s->column ? "\n… " : "… "), err);
	return rc ? rc : write_to_terminal(s, (struct slice){ p + from, s->kept.used - from }, err);
}

void screen_progress(struct screen *s, uint64_t done, uint64_t wanted, double seconds)
{
	bool wiped = s->terminal && s->progress.enabled && !s->progress.shown; /* by a line break of the text */
	double share = wanted ? (double)done / (double)wanted : 1;
	char text[96];

	if (!progress_due(&s->progress) && !wiped)
		return;
	snprintf(text, sizeof text, "%llu/%llu tokens  %.0f tokens/s", (unsigned long long)done,
		 (unsigned long long)wanted, seconds > 0 ? (double)done / seconds : 0);
	if (s->terminal)
		progress_draw_below(&s->progress, "generating", share, text, s->column);
	else
		progress_draw(&s->progress, "generating", share, text);
}

void screen_progress_end(struct screen *s)
{
	if (s->terminal)
		progress_clear_below(&s->progress);
	else
		progress_clear(&s->progress);
}
