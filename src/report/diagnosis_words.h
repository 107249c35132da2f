/* diagnosis_words.h - the sentences of a diagnosis, shared by its text, JSON, Markdown, page and pictures.
 *
 * Texts contain parts of a log (names, strategies): whoever writes them must escape or clean them. */
#ifndef RWKVMON_REPORT_DIAGNOSIS_WORDS_H
#define RWKVMON_REPORT_DIAGNOSIS_WORDS_H

#include "analyze/diagnose.h"
#include "base/buf.h"
#include "spec/text.h"

void evidence_sentence(struct buf *out, const struct evidence *e, enum lang lang);
/* The numbers among its values; another value, if it takes more, is a text. */
size_t evidence_numbers(const struct evidence_spec *spec);
/* The advice for a cause (the diagnosis's own, or another one) in this set-up. */
const char *fix_words(const struct diagnosis *d, enum cause_id cause, enum lang lang);
/* Why that answer is ruled out, in one or more sentences; false: it is not, or there is nothing to say. */
bool ruled_out_words(struct buf *out, const struct diagnosis *d, enum answer_id a, enum lang lang);
/* "latency down by 38 %", or the cause's gain without a number, or that none is known. */
void gain_words(struct buf *out, const struct diagnosis *d, enum lang lang);
/* Where the gain is from. */
const char *basis_words(const struct diagnosis *d, enum lang lang);
/* Five stars, so many of them full. */
void difficulty_stars(struct buf *out, int difficulty);
enum text_id confidence_text(enum confidence c);
/* What a ruled-out answer would have been: its cause's title, or its own words. */
const char *answer_title(enum answer_id a, enum lang lang);

/* Does this evidence speak for the cause? Otherwise it belongs to something ruled out. */
bool evidence_speaks_for(const struct diagnosis *d, const struct evidence *e);

#endif
