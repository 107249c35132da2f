#include "cli/screen.h"

#include "base/file.h"
#include "base/utf8.h"

#include <unistd.h>

struct screen screen_open(bool silent, bool with_progress)
{
	return (struct screen){ .silent = silent, .progress = progress_start(with_progress),
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
	int rc;

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
	rc = out.failed ? err_set(err, ERR_NOMEM, "no memory for the text") : file_write("-", buf_slice(&out), err);
	buf_free(&out);
	return rc;
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

void screen_progress(struct screen *s, uint64_t done, uint64_t wanted, double seconds)
{
	bool wiped = s->terminal && s->progress.enabled && !s->progress.shown; /* by a line break of the text */
	double share = wanted ? (double)done / (double)wanted : 1;
	char text[96];

	if (!progress_due(&s->progress) && !wiped)
		return;
	snprintf(text, sizeof text, "%llu/%llu tokens  %.0f tokens/s", (unsigned long long)done, (unsigned long long)wanted,
		 seconds > 0 ? (double)done / seconds : 0);
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
