/* progress.c - one line, drawn again when it is due, and only on a terminal. */
#include "cli/progress.h"

#include "base/file.h"
#include "base/tty.h"
#include "base/utf8.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_CELLS = 20 };
static const uint64_t EVERY_NS = 100000000;

struct progress progress_start(bool wanted)
{
	return (struct progress){ .enabled = wanted && tty_obeys(STDERR_FILENO),
				  .start_ns = clock_mono_ns(&clock_system) };
}

bool progress_due(struct progress *p)
{
	uint64_t now;

	if (!p->enabled)
		return false;
	now = clock_mono_ns(&clock_system);
	if (now - p->drawn_ns < EVERY_NS)
		return false;
	p->drawn_ns = now;
	return true;
}

size_t progress_columns(void)
{
	struct winsize size;

	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 20 ? size.ws_col : 80;
}

/* Cuts the line before it would wrap. */
static void fit(struct buf *line, size_t columns)
{
	while (line->used && utf8_columns(line->p) >= columns) {
		line->used = utf8_whole_prefix(line->p, line->used - 1);
		line->p[line->used] = 0;
	}
}

/* The line itself; failed when memory is out. */
static struct buf bar_line(const char *label, double share, const char *text)
{
	int full = (int)(share * BAR_CELLS + 0.5);
	struct buf line = { 0 };

	buf_printf(&line, "%s ", label);
	for (int i = 0; i < BAR_CELLS; i++)
		buf_str(&line, i < full ? "█" : "░");
	buf_printf(&line, " %3.0f %%  %s", 100 * share, text);
	if (!line.failed)
		fit(&line, progress_columns());
	return line;
}

static void write_around(struct progress *p, const char *before, struct buf *line, const char *after)
{
	struct buf out = { 0 };

	buf_str(&out, before);
	buf_add(&out, line->p, line->used);
	buf_str(&out, after);
	if (!line->failed && !out.failed) {
		file_say(STDERR_FILENO, buf_slice(&out));
		p->shown = true;
	}
	buf_free(&out);
	buf_free(line);
}

void progress_draw(struct progress *p, const char *label, double share, const char *text)
{
	struct buf line = bar_line(label, share, text);

	write_around(p, "\r\033[K", &line, "");
}

void progress_draw_below(struct progress *p, const char *label, double share, const char *text, size_t column)
{
	struct buf line = bar_line(label, share, text);
	char back[48];

	snprintf(back, sizeof back, column ? "\033[1A\r\033[%zuC" : "\033[1A\r", column);
	write_around(p, "\n\033[K", &line, back);
}

void progress_clear_below(struct progress *p)
{
	if (p->shown)
		file_write_all(STDERR_FILENO, slice_of("\033[J"));
	p->shown = false;
}

void progress_clear(struct progress *p)
{
	if (p->shown)
		file_write_all(STDERR_FILENO, slice_of("\r\033[K"));
	p->shown = false;
}

double progress_seconds(const struct progress *p)
{
	return (double)(clock_mono_ns(&clock_system) - p->start_ns) / 1e9;
}
