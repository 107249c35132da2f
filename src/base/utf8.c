/* utf8.c - decodes UTF-8 strictly; knows the widths with which terminals draw characters. */
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

/* Length of the character that begins with this byte, 0 when no character can. */
static size_t announced(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead < 0xe0)
		return 2;
	if (lead >= 0xe0 && lead < 0xf0)
		return 3;
	return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/* Checking the second byte excludes overlong forms, surrogates and values beyond U+10FFFF. */
static bool second_fits(unsigned char lead, unsigned char second)
{
	unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

	return second >= low && second <= high;
}

/* Number of the character's bytes that are present and valid; 0 when it is broken. */
static size_t present_bytes(const char *p, size_t n)
{
	size_t want = n ? announced((unsigned char)p[0]) : 0;
	size_t i;

	for (i = 1; i < want && i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (i == 1 ? !second_fits((unsigned char)p[0], c) : (c & 0xc0) != 0x80)
			return 0;
	}
	return want ? i : 0;
}

size_t utf8_char_bytes(const char *p, size_t n)
{
	size_t have = present_bytes(p, n);

	return have && have == announced((unsigned char)p[0]) ? have : 0;
}

uint32_t utf8_decode(const char *p, size_t *bytes)
{
	static const unsigned char lead_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	size_t n = announced((unsigned char)p[0]);
	uint32_t c = (unsigned char)p[0] & lead_mask[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	*bytes = n;
	return c;
}

size_t utf8_encode(char to[4], uint32_t c)
{
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = 0xfffd;
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

int utf8_may_be_shown(uint32_t c)
{
	return !(c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
		 (c >= 0x2060 && c <= 0x206f) || c == 0xfeff);
}

void utf8_clean(char *text)
{
	char *to = text;
	size_t left = strlen(text);

	while (left) {
		size_t n = utf8_char_bytes(text, left), bytes;
		bool shown = n && (*text == '\n' || *text == '\t' || utf8_may_be_shown(utf8_decode(text, &bytes)));

		n = n ? n : 1;
		if (shown)
			memmove(to, text, n);
		else
			*to = '?';
		to += shown ? n : 1;
		text += n;
		left -= n;
	}
	*to = 0;
}

size_t utf8_whole_prefix(const char *p, size_t n)
{
	for (size_t back = 1; back <= 3 && back <= n; back++) {
		const char *at = p + n - back;

		if (announced((unsigned char)*at) > back && present_bytes(at, back) == back)
			return n - back;
	}
	return n;
}

static bool is_wide(uint32_t c)
{
	return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
	       (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
	       (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
}

size_t utf8_columns(const char *text)
{
	size_t columns = 0;

	while (*text) {
		size_t n = 0;

		while (n < 4 && text[n])
			n++;
		n = utf8_char_bytes(text, n);
		if (n) {
			uint32_t c = utf8_decode(text, &n);

			columns += is_wide(c) ? 2 : 1;
		} else {
			columns++;
			n = 1;
		}
		text += n;
	}
	return columns;
}
