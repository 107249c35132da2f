/* report.h - writes findings as text, JSON and HTML.
 *
 * Ownership  findings and options are borrowed; the buffer is the caller's and is appended to.
 * Threads    pure functions of their arguments.
 * Errors     only memory can run out: see buf.failed.
 */
#ifndef RWKVMON_REPORT_REPORT_H
#define RWKVMON_REPORT_REPORT_H

#include "analyze/judgement.h"
#include "base/buf.h"
#include "spec/lang.h"

struct json; /* base/json.h */

enum { REPORT_COLUMNS = 80, REPORT_COLUMNS_MOST = 120 }; /* width of the text; longer lines are hard to read */

/* As texts name it: one without a name is a dash. In JSON it is null. */
static inline const char *instance_shown(const char *name)
{
	return name && *name ? name : "-";
}

struct report_options {
	enum lang lang;
	bool color;                    /* ANSI colours; text only */
	bool ascii;                    /* no characters but ASCII in rules and charts; text only */
	size_t columns;                /* 0: REPORT_COLUMNS; text only */
	const char *const *hint_input; /* (n_hint_input): how the input was named, for the commands that come next */
	size_t n_hint_input;           /* 0: LOG */
	const char *hint_map;          /* --map of that input, or NULL */
	bool hint_merge;               /* it is a part: --merge belongs before it */
};

void report_text(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_json(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_html(struct buf *out, const struct findings *f, const struct report_options *opts);

void report_markdown(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_csv(struct buf *out, const struct findings *f, const struct report_options *opts);

/* Members of an object that is open: the verdict, its cause, and what else holds. */
void report_json_skipped(struct json *out, const struct findings *f); /* "skipped_lines", "skipped" */
void judgement_json(struct json *out, const struct findings *f, enum lang lang);

void report_diagnosis_text(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_diagnosis_json(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_diagnosis_markdown(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_diagnosis_mermaid(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_diagnosis_html(struct buf *out, const struct findings *f, const struct report_options *opts);

#endif
