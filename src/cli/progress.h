/* progress.h - one line on standard error that says how far long work has come.
 *
 * Shown on a terminal only, at most ten times a second; removed when the work is done. */
#ifndef RWKVMON_CLI_PROGRESS_H
#define RWKVMON_CLI_PROGRESS_H

#include "base/buf.h"
#include "base/clock.h"

struct progress {
	bool shown; /* a line stands there now */
	bool enabled;
	uint64_t drawn_ns; /* last time */
	uint64_t start_ns;
};

struct progress progress_start(bool wanted);

/* Is it time to draw again? Cheap enough to ask at every step. */
bool progress_due(struct progress *p);

/* The same on the line below text that is being written to the same terminal: `column` is the column at which that text
 * ends; progress_clear_below() makes room for more of it. */
void progress_draw_below(struct progress *p, const char *label, double share, const char *text, size_t column);
void progress_clear_below(struct progress *p);

/* Columns of the terminal that standard error is, or 80. */
size_t progress_columns(void);

/* "label ███████░░░░░  58 %  text" in the terminal's width. */
void progress_draw(struct progress *p, const char *label, double share, const char *text);
void progress_clear(struct progress *p);

double progress_seconds(const struct progress *p);

#endif
