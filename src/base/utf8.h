/* utf8.h - finds where characters begin and end, and how wide a terminal draws them. */
#ifndef RWKVMON_BASE_UTF8_H
#define RWKVMON_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the valid character at p (1..4), or 0 when there is none in n bytes
 * (overlong forms, surrogates and stray bytes are not valid). */
size_t utf8_char_bytes(const char *p, size_t n);

/* The character at p, which must be valid; *bytes gets its length. */
uint32_t utf8_decode(const char *p, size_t *bytes);

/* Writes a character's bytes (1..4) and returns how many; an invalid character becomes U+FFFD. */
size_t utf8_encode(char to[4], uint32_t character);

/* May the character be shown if it comes from outside? Control characters (C0, DEL, C1) and characters that change the
 * text's direction or are invisible may not. */
int utf8_may_be_shown(uint32_t character);

/* Replaces in place characters that may not be shown, and invalid bytes, by '?'; line ends and tabs stay. */
void utf8_clean(char *text);

/* Length of the longest prefix of n bytes that does not end inside a character: what
 * may be printed now while the rest waits for its continuation bytes. */
size_t utf8_whole_prefix(const char *p, size_t n);

/* Terminal columns of a NUL-terminated text: 2 for East Asian wide characters. */
size_t utf8_columns(const char *text);

#endif
