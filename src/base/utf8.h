/* utf8.h - where characters begin and end, and how wide a terminal draws them. */
#ifndef RWKVMON_BASE_UTF8_H
#define RWKVMON_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the valid character at p (1..4), or 0 when there is none in n bytes
 * (overlong forms, surrogates and stray bytes are not valid). */
size_t utf8_char_bytes(const char *p, size_t n);

/* The character at p, which must be valid; *bytes gets its length. */
uint32_t utf8_decode(const char *p, size_t *bytes);

/* Does the character change the direction of text, what stands behind it too? Text from outside must not. */
int utf8_turns_text(uint32_t character);

/* Length of the longest prefix of n bytes that does not end inside a character: what
 * may be printed now while the rest waits for its continuation bytes. */
size_t utf8_whole_prefix(const char *p, size_t n);

/* Terminal columns of a NUL-terminated text: 2 for East Asian wide characters. */
size_t utf8_columns(const char *text);

#endif
