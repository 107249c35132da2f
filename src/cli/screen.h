/* screen.h - generated text on standard output, with a progress line below it on a terminal.
 *
 * Characters are written whole; a line that fills the terminal is ended, so that the
 * column is never in doubt. Elsewhere than on a terminal text passes through unchanged. */
#ifndef RWKVMON_CLI_SCREEN_H
#define RWKVMON_CLI_SCREEN_H

#include "base/err.h"
#include "cli/progress.h"
#include "runtime/tokenizer.h"

struct screen {
	bool terminal; /* standard output and standard error are one */
	bool silent;   /* nothing is shown; the text is only kept */
	size_t column;
	struct progress progress;
	struct text_stream stream;
	struct buf kept; /* everything that was said, as valid UTF-8 */
};

struct screen screen_open(bool silent, bool with_progress);
void screen_free(struct screen *s);

/* Bytes of the next token, or any text. */
int screen_say(struct screen *s, struct slice bytes, struct err *err);

/* No more bytes come: the last character is complete, or will never be. */
int screen_end(struct screen *s, struct err *err);

/* Forgets what was said; then remembers `text` as said before, without showing it again. What a terminal shows stays
 * there. */
void screen_forget(struct screen *s);
void screen_recall(struct screen *s, struct slice bytes);

/* A line on standard error, between the text's lines. */
void screen_note(struct screen *s, const char *line);

/* On a terminal, after text was taken back: shows the last words that remain on a line of their own, because the text
 * continues there. */
int screen_resume(struct screen *s, struct err *err);

/* Progress: `done` of `wanted` tokens in so many seconds; drawn when it is due. */
void screen_progress(struct screen *s, uint64_t done, uint64_t wanted, double seconds);
void screen_progress_end(struct screen *s);

#endif
