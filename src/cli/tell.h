/* tell.h - words on standard error, in the characters of the terminal. */
#ifndef RWKVMON_CLI_TELL_H
#define RWKVMON_CLI_TELL_H

#include "base/buf.h"
#include "base/err.h"
#include "spec/lang.h"
#include "spec/text.h"

/* Finds the terminal's character set in LC_ALL, LC_CTYPE or LANG; without them, ASCII. If Chinese is wanted and the set
 * has no Chinese characters, it is written in UTF-8. Call it before the first output. */
void tell_open(enum lang lang);

void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Words of the table in the language that tell_open was told; each %s takes the next value. */
#define tell_text(id, ...) tell_list(id, (const char *const[]){ __VA_ARGS__ })
void tell_list(enum text_id id, const char *const *values);
enum lang tell_lang(void);

/* An answer on standard output: words for people in the terminal's characters, for programs in UTF-8. Frees it. */
int answer(struct buf *text, bool for_people, struct err *err);
int answer_to(const char *path, struct buf *text, bool for_people, struct err *err); /* a file is UTF-8 */

/* Can lines and bars be drawn with Unicode? If not, reports and screens use ASCII. */
bool tell_draws(void);

#endif
