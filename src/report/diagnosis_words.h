/* diagnosis_words.h - a diagnosis in sentences: what its text, JSON, Markdown, page and pictures all say.
 *
 * Texts hold what a log supplied (names, strategies): whoever writes them escapes or cleans them. */
#ifndef RWKVMON_REPORT_DIAGNOSIS_WORDS_H
#define RWKVMON_REPORT_DIAGNOSIS_WORDS_H

#include "analyze/diagnose.h"
#include "base/buf.h"
#include "spec/text.h"

void evidence_sentence(struct buf *out, const struct evidence *e, enum lang lang);
/* "latency down by 38 %", or the cause's gain without a number. */
void gain_words(struct buf *out, const struct diagnosis *d, enum lang lang);
/* Five stars, so many of them full. */
void difficulty_stars(struct buf *out, int difficulty);
enum text_id confidence_text(enum confidence c);
/* What a ruled-out answer would have been: its cause's title, or its own words. */
const char *answer_title(enum answer_id a, enum lang lang);

/* Does this evidence speak for the cause? Otherwise it belongs to something ruled out. */
bool evidence_speaks_for(const struct diagnosis *d, const struct evidence *e);

#endif
