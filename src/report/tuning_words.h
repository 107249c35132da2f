/* tuning_words.h - what `tune` found, as words that its text and its page share.
 *
 * Ownership  all append to *out and keep nothing.
 */
#ifndef RWKVMON_REPORT_TUNING_WORDS_H
#define RWKVMON_REPORT_TUNING_WORDS_H

#include "analyze/tuning.h"
#include "base/buf.h"
#include "spec/lang.h"

/* "cpu fp16, skip zeros, 2 threads"; with the length of chunks if wanted. */
void tuning_setting_words(struct buf *out, const struct tuning_candidate *c, bool chunk, enum lang lang);

/* "+12.3 % (+10.1 to +14.2) slower" */
void tuning_judgement_words(struct buf *out, const struct tuning_candidate *c, enum lang lang);

/* What was chosen and among how many equals, or that nothing was. */
void tuning_choice_words(struct buf *out, const struct tuning *t, enum lang lang);

#endif
