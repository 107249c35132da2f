/* tokenizer_split.c - the pattern of GPT-2, which GPT-NeoX uses too, written as a scanner. */
#include "runtime/tokenizer_split.h"

#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <utf8proc.h>

enum char_class { LETTER, NUMBER, SPACE, OTHER };

/* \s is White_Space: the separators, and these controls. */
static bool is_control_space(uint32_t c)
{
	return (c >= '\t' && c <= '\r') || c == 0x85;
}

static enum char_class class_of(uint32_t c)
{
	switch (utf8proc_category((utf8proc_int32_t)c)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
		return LETTER;
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return NUMBER;
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return SPACE;
	default:
		return is_control_space(c) ? SPACE : OTHER;
	}
}

/* Class and bytes of the character at p; n > 0. */
static enum char_class next(const char *p, size_t n, size_t *bytes)
{
	*bytes = utf8_char_bytes(p, n);
	if (*bytes)
		return class_of(utf8_decode(p, bytes));
	*bytes = 1;
	return OTHER;
}

static size_t contraction(struct slice text)
{
	static const char *const all[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		size_t n = strlen(all[i]);

		if (text.n >= n && !memcmp(text.p, all[i], n))
			return n;
	}
	return 0;
}

/* Bytes of the run of class `c` that begins at `at`. */
static size_t run_of(struct slice text, size_t at, enum char_class c)
{
	size_t from = at, bytes;

	while (at < text.n && next(text.p + at, text.n - at, &bytes) == c)
		at += bytes;
	return at - from;
}

/* White space up to the last character before something else, which joins what follows;
 * all of it at the end of the text or when it is one character only. */
static size_t spaces(struct slice text)
{
	size_t at = 0, last = 0, bytes;

	while (at < text.n && next(text.p + at, text.n - at, &bytes) == SPACE) {
		last = at;
		at += bytes;
	}
	return at == text.n || !last ? at : last;
}

size_t split_piece(struct slice text)
{
	size_t lead = text.n > 1 && text.p[0] == ' ', bytes, n;
	enum char_class c;

	if (!text.n)
		return 0;
	n = contraction(text);
	if (n)
		return n;
	c = next(text.p + lead, text.n - lead, &bytes);
	return c == SPACE ? spaces(text) : lead + run_of(text, lead, c);
}

/* -- normal form C ------------------------------------------------------------------------ */

static void normalise_valid(struct buf *out, const char *p, size_t n)
{
	utf8proc_uint8_t *normal = NULL;
	utf8proc_ssize_t got = utf8proc_map((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &normal,
					    UTF8PROC_STABLE | UTF8PROC_COMPOSE);

	if (got < 0)
		out->failed = true; /* memory: the text is valid */
	else
		buf_add(out, normal, (size_t)got);
	free(normal);
}

void split_normalise(struct buf *out, struct slice text)
{
	for (size_t at = 0; at < text.n;) {
		size_t from = at, bytes;
		bool ascii = true;

		while (at < text.n && (bytes = utf8_char_bytes(text.p + at, text.n - at))) {
			ascii &= bytes == 1;
			at += bytes;
		}
		if (ascii)
			buf_add(out, text.p + from, at - from);
		else
			normalise_valid(out, text.p + from, at - from);
		if (at < text.n)
			buf_char(out, text.p[at++]); /* a byte that is no character */
	}
}
