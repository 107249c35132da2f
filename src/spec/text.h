/* text.h - the texts that users read, in every language. */
#ifndef RWKVMON_SPEC_TEXT_H
#define RWKVMON_SPEC_TEXT_H

#include "base/buf.h"
#include "spec/lang.h"

enum text_id {
#define TEXT(name, en, zh) TEXT_##name,
#include "spec/text.def"
#undef TEXT
	TEXT_COUNT
};

const char *text(enum text_id id, enum lang lang);

/* The text with each %s filled in, and {one|many} worded for the value before it:
 * text_fill(&out, lang, TEXT_VERDICT_SINCE, since). */
#define text_fill(out, lang, id, ...) text_fill_list(out, lang, id, (const char *const[]){ __VA_ARGS__ })
void text_fill_list(struct buf *out, enum lang lang, enum text_id id, const char *const *values);

/* The same for words of any table; the values behind those that were taken. text_fill_as hands what stands between the
 * values to `put`, and the values, which are markup, to no one. */
typedef void text_put(struct buf *out, struct slice piece);
const char *const *text_fill_words(struct buf *out, const char *words, const char *const *values);
const char *const *text_fill_as(struct buf *out, const char *words, const char *const *values, text_put *put);

#endif
