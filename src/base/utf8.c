#include "base/utf8.h"

#include <stdbool.h>

/* Length a lead byte announces, 0 when it cannot lead. */
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

/* The second byte excludes overlong forms, surrogates and what lies beyond U+10FFFF. */
static bool second_fits(unsigned char lead, unsigned char second)
{
	unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

	return second >= low && second <= high;
}

/* How many of the character's bytes are there and right; 0 when it is broken. */
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

int utf8_turns_text(uint32_t c)
{
	return c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
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
