/* compare.h - a comparison as text, Markdown and JSON.
 *
 * Ownership  all is borrowed; the buffer is the caller's and is appended to.
 * Errors     only memory can run out: see buf.failed.
 */
#ifndef RWKVMON_REPORT_COMPARE_H
#define RWKVMON_REPORT_COMPARE_H

#include "analyze/comparison.h"
#include "report/report.h"
#include "report/terminal.h"

struct compare_input {
	const char *name[2];                /* how the sides were named */
	const struct findings *findings[2]; /* of all their records, warm-up included */
};

typedef void compare_report_fn(struct buf *out, const struct comparison *c, const struct compare_input *in,
			       const struct report_options *opts);

compare_report_fn compare_text, compare_markdown, compare_json;

/* Model, strategy and device of a side; each buffer is empty where nothing is known of it. */
struct compare_ran {
	struct buf model, strategy, device;
};
void compare_ran(struct compare_ran *out, const struct findings *f, enum lang lang);
void compare_ran_free_into(struct compare_ran *r, struct buf *out); /* which has failed if one of them has */

/* In which of them the sides are not alike; nothing is appended where they are, or are not known to differ. */
void compare_unlike(struct buf *out, const struct compare_input *in, enum lang lang);

bool compare_is_speed(enum metric_id m); /* better is faster, worse is slower */

/* The verdict of a row as a word ("slower"); the overall verdict as a word, and as a sentence. */
const char *compare_word(const struct difference *d, enum difference_verdict verdict, enum lang lang);
const char *compare_headline(const struct comparison *c, enum lang lang);
void compare_sentence(struct buf *out, const struct comparison *c, enum lang lang);

/* How much a side holds, and what of it was not read. */
void compare_side_words(struct buf *out, const struct compared_side *side, const struct findings *f, enum lang lang);

/* "+1.25 %", and "+0.4 … +2.1 %"; "-" when unknown. */
const char *compare_percent(char out[TERM_TEXT], double share);
const char *compare_interval(char out[TERM_TEXT], const struct estimate *e, bool ascii);

/* How large an effect a Cliff's delta is: "negligible" … "large". */
const char *compare_effect(double cliffs_delta, enum lang lang);
const char *compare_effect_id(double cliffs_delta);

#endif
