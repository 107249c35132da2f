/* charset.c - converts with iconv, one character at a time, and replaces characters that the terminal lacks. */
#include "base/charset.h"

#include "base/utf8.h"

#include <iconv.h>
#include <stdio.h>
#include <strings.h>

static char charset[32]; /* "": UTF-8 */

static const struct {
	const char *sign, *ascii;
} stand_ins[] = {
	{ "…", "..." }, { "−", "-" },  { "–", "-" },  { "─", "-" }, { "→", "->" }, { "←", "<-" },       { "↔", "<->" },
	{ "±", "+-" },  { "“", "\"" }, { "”", "\"" }, { "‘", "'" }, { "’", "'" },  { "·", "-" },        { "►", ">" },
	{ "▸", ">" },   { "█", "#" },  { "░", "." },  { "×", "x" }, { "└", "`" },  { "µ", "u" },        { "★", "*" },
	{ "☆", "." },   { "‖", "||" }, { "●", "*" },  { "•", "-" }, { "✓", "+" },  { "‹", "<" },        { "›", ">" },
	{ "≤", "<=" },  { "≥", ">=" }, { "≈", "~" },  { "▁", "_" }, { "▂", "." },  { "▃", "-" },        { "▄", "~" },
	{ "▅", "=" },   { "▆", "+" },  { "▇", "*" },  { "│", "|" }, { "✗", "x" },  { "\xc2\xa0", " " },
};

void charset_set(const char *name)
{
	iconv_t known = (iconv_t)-1;

	*charset = 0;
	if (!name || !strcasecmp(name, "UTF-8") || !strcasecmp(name, "UTF8"))
		return;
	known = iconv_open(name, "UTF-8");
	if (known == (iconv_t)-1)
		return;
	iconv_close(known);
	snprintf(charset, sizeof charset, "%s", name);
}

bool charset_is_utf8(void)
{
	return !*charset;
}

bool charset_is_ascii(void)
{
	return !strcasecmp(charset, "ASCII") || !strcasecmp(charset, "US-ASCII") ||
	       !strcasecmp(charset, "ANSI_X3.4-1968");
}

/* Converts the character at p (`n` bytes of UTF-8) into the set: returns the bytes written, 0 when the set lacks it. */
static size_t convert(iconv_t to, const char *p, size_t n, char *into, size_t room)
{
	char *from = (char *)(uintptr_t)p, *out = into;

	if (iconv(to, &from, &n, &out, &room)) /* a conversion that cannot be reversed gives another character */
		return 0;
	return (size_t)(out - into);
}

static void add_stand_in(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof stand_ins / sizeof *stand_ins; i++)
		if (strlen(stand_ins[i].sign) == n && !memcmp(stand_ins[i].sign, p, n)) {
			buf_str(out, stand_ins[i].ascii);
			return;
		}
	buf_char(out, '?');
}

/* False when the set lacks a character. */
static bool encode(struct buf *out, iconv_t to, struct slice text)
{
	bool whole = true;

	for (size_t i = 0, n; i < text.n; i += n) {
		char into[16];
		size_t got;

		n = utf8_char_bytes(text.p + i, text.n - i);
		got = n ? convert(to, text.p + i, n, into, sizeof into) : 0;
		if (got)
			buf_add(out, into, got);
		else
			add_stand_in(out, text.p + i, n);
		whole &= got > 0;
		n = n ? n : 1;
	}
	return whole;
}

static bool encode_all(struct buf *out, struct slice text)
{
	iconv_t to = *charset ? iconv_open(charset, "UTF-8") : (iconv_t)-1;
	bool whole;

	if (to == (iconv_t)-1) {
		buf_add(out, text.p, text.n);
		return true;
	}
	whole = encode(out, to, text);
	iconv_close(to);
	return whole;
}

bool charset_has(const char *text)
{
	struct buf unused = { 0 };
	bool whole = encode_all(&unused, slice_of(text));

	buf_free(&unused);
	return whole;
}

void charset_encode(struct buf *out, struct slice text)
{
	encode_all(out, text);
}
