/* report.h - findings as text, JSON and HTML: three drawings of the same thing.
 *
 * Ownership  findings and options are borrowed; the buffer is the caller's and is appended to.
 * Threads    pure functions of their arguments.
 * Errors     only memory can run out: see buf.failed.
 */
#ifndef RWKVMON_REPORT_REPORT_H
#define RWKVMON_REPORT_REPORT_H

#include "analyze/diagnose.h"
#include "base/buf.h"
#include "spec/lang.h"

enum { REPORT_COLUMNS = 80 }; /* least width of the text */

struct report_options {
	enum lang lang;
	bool color;	/* ANSI colours; text only */
	bool ascii;	/* no characters but ASCII in rules and charts; text only */
	size_t columns; /* 0: REPORT_COLUMNS; text only */
	const struct diagnosis *diagnosis; /* what the page and report_diagnosis_* draw; NULL: none */
	const char *hint_input; /* how the input was named, for the commands that come next; NULL: LOG */
};

void report_text(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_json(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_html(struct buf *out, const struct findings *f, const struct report_options *opts);

void report_markdown(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_csv(struct buf *out, const struct findings *f, const struct report_options *opts);

/* opts->diagnosis is not NULL. */
void report_diagnosis_text(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_diagnosis_json(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_diagnosis_markdown(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_diagnosis_mermaid(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_diagnosis_html(struct buf *out, const struct findings *f, const struct report_options *opts);

#endif
