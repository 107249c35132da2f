/* charset.h - converts text for a terminal that does not show UTF-8.
 *
 * Texts inside the program are UTF-8; text for people is converted by charset_encode when it is written. JSON, HTML,
 * logs and a model's output to a file stay UTF-8. Set once, before any thread is started; a library never sets it.
 */
#ifndef RWKVMON_BASE_CHARSET_H
#define RWKVMON_BASE_CHARSET_H

#include "base/buf.h"

/* A character set's name as in a locale ("GBK", "ISO-8859-1"); NULL, "UTF-8" and unknown names mean UTF-8. */
void charset_set(const char *name);

bool charset_is_utf8(void);
bool charset_is_ascii(void);

/* Can every character of the text be written? */
bool charset_has(const char *text);

/* A character that cannot be written becomes the most similar ASCII character, or '?'. */
void charset_encode(struct buf *out, struct slice text);

#endif
