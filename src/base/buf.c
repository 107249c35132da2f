/* buf.c - a buffer that grows by doubling; formats numbers for JSON. */
#include "base/buf.h"

#include "base/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

void buf_free_into(struct buf *part, struct buf *whole)
{
	whole->failed |= part->failed;
	buf_free(part);
}

void buf_clear(struct buf *b)
{
	b->used = 0;
	b->failed = false;
	if (b->p)
		b->p[0] = 0;
}

void buf_rewind(struct buf *b)
{
	bool failed = b->failed;

	buf_clear(b);
	b->failed = failed;
}

bool buf_reserve(struct buf *b, size_t more)
{
	size_t want, cap;
	char *grown;

	if (b->failed || more > SIZE_MAX / 2 - b->used) {
		b->failed = true;
		return false;
	}
	want = b->used + more + 1;
	if (want <= b->cap)
		return true;
	cap = b->cap ? b->cap : 256;
	while (cap < want)
		cap *= 2;
	grown = realloc(b->p, cap);
	if (!grown) {
		b->failed = true;
		return false;
	}
	b->p = grown;
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (!buf_reserve(b, n))
		return;
	if (n)
		memcpy(b->p + b->used, bytes, n);
	b->used += n;
	b->p[b->used] = 0;
}

void buf_str(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
	if (b->failed || b->used + 2 > b->cap) {
		buf_add(b, &c, 1);
		return;
	}
	b->p[b->used++] = c;
	b->p[b->used] = 0;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0)
		b->failed = true;
	else if (buf_reserve(b, (size_t)n)) {
		vsnprintf(b->p + b->used, (size_t)n + 1, fmt, again);
		b->used += (size_t)n;
	}
	va_end(again);
}

struct slice buf_slice(const struct buf *b)
{
	return (struct slice){ b->p, b->used };
}

/* A bit for each byte 0x20..0x7e except '"', '\\', '<', '>' and '&'. */
static bool plain_in_json(unsigned char c)
{
	static const uint32_t plain[8] = { 0, 0xafffffbb, 0xefffffff, 0x7fffffff };

	return plain[c / 32] >> c % 32 & 1;
}

/* Are all eight bytes plain? Compared side by side in one word; false: maybe not. */
static bool plain_word(const char *p)
{
	static const unsigned char not_plain[] = "\"\\<>&\x7f";
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t word, odd;

	memcpy(&word, p, 8);
	odd = word | (word - each * 0x20); /* not ASCII; below 0x20 */
	for (size_t k = 0; k < sizeof not_plain - 1; k++)
		odd |= (word ^ each * not_plain[k]) - each;
	return !(odd & each << 7);
}

/* How many bytes at the beginning are plain. */
static size_t plain_run(const char *p, size_t n)
{
	size_t i = 0;

	while (n - i >= 8 && plain_word(p + i))
		i += 8;
	if (n >= 8 && n - i < 8 && plain_word(p + n - 8))
		return n;
	while (i < n && plain_in_json((unsigned char)p[i]))
		i++;
	return i;
}

static void json_escape(struct buf *b, unsigned char c)
{
	static const char short_form[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (const char *s = short_form; *s; s += 2)
		if ((unsigned char)*s == c) {
			buf_char(b, '\\');
			buf_char(b, s[1]);
			return;
		}
	buf_printf(b, "\\u%04x", c);
}

/* A character outside ASCII. Characters that a terminal would interpret, that change the text's direction or that are
 * invisible are escaped. */
static size_t json_character(struct buf *b, const char *p, size_t left)
{
	size_t n = utf8_char_bytes(p, left), bytes;
	uint32_t c = n ? utf8_decode(p, &bytes) : 0xfffd;

	if (!n)
		buf_str(b, "\xef\xbf\xbd");
	else if (utf8_may_be_shown(c))
		buf_add(b, p, n);
	else
		buf_printf(b, "\\u%04x", (unsigned)c);
	return n ? n : 1;
}

void buf_json_string(struct buf *b, struct slice text)
{
	size_t i = 0;

	buf_char(b, '"');
	while (i < text.n) {
		size_t run = plain_run(text.p + i, text.n - i);

		buf_add(b, text.p + i, run);
		i += run;
		if (i == text.n)
			break;
		if ((unsigned char)text.p[i] < 0x80) {
			json_escape(b, (unsigned char)text.p[i++]);
		} else {
			i += json_character(b, text.p + i, text.n - i);
		}
	}
	buf_char(b, '"');
}

/* The point, and digits that tell a double of 1e-5 or more from its neighbours: four zeros and seventeen at most. */
enum { FRACTION_BYTES = 32 };

/* Writes the digits after the decimal point of m * 2^-shift: as few as distinguish the double from its neighbours, the
 * last one rounded (Steele and White). m is not a power of two, its unit in the last place is 2^-shift, 1 <= shift <=
 * 110. */
static void put_fraction(struct buf *b, uint64_t m, int shift)
{
	typedef unsigned __int128 wide; /* holds 10 * whole */
	wide whole = (wide)2 << shift, rest = 2 * ((wide)m & (((wide)1 << shift) - 1)), half_unit = 1;
	bool even = !(m & 1), low, high;
	char text[FRACTION_BYTES] = ".";
	size_t n = 1;

	do {
		int digit;

		rest *= 10;
		half_unit *= 10;
		digit = (int)(rest >> (shift + 1)); /* / whole */
		rest &= whole - 1;
		low = even ? rest <= half_unit : rest < half_unit;
		high = even ? rest + half_unit >= whole : rest + half_unit > whole;
		if (high && (!low || 2 * rest >= whole))
			digit++;
		assert(n < sizeof text);
		text[n++] = (char)('0' + digit);
	} while (!low && !high);
	buf_add(b, text, n);
}

/* Formats doubles of common magnitude without printf, which is ten times slower. */
static bool put_everyday(struct buf *b, double value)
{
	uint64_t bits, m;
	int shift;

	memcpy(&bits, &value, sizeof bits);
	m = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
	shift = 1075 - (int)(bits >> 52 & 0x7ff);
	if (!(fabs(value) >= 1e-5 && fabs(value) < 4503599627370496.0) || m == UINT64_C(1) << 52)
		return false;
	if (value < 0)
		buf_char(b, '-');
	buf_u64(b, shift < 64 ? m >> shift : 0);
	put_fraction(b, m, shift);
	return true;
}

void buf_json_double(struct buf *b, double value)
{
	char text[40];

	if (!isfinite(value)) {
		buf_str(b, "null");
		return;
	}
	if (fabs(value) < 9007199254740992.0 && value == rint(value)) {
		if (value < 0)
			buf_char(b, '-');
		buf_u64(b, (uint64_t)fabs(value));
		return;
	}
	if (put_everyday(b, value))
		return;
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	buf_str(b, text);
}

void buf_shell_word(struct buf *b, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
	const char *at = text;

	while (*at && (strchr(plain, *at) || (unsigned char)*at >= 0x80))
		at++;
	if (*text == '-' && text[1])
		buf_str(b, "./");
	if (*text && !*at) {
		buf_str(b, text);
		return;
	}
	buf_char(b, '\'');
	for (; *text; text++)
		if (*text == '\'')
			buf_str(b, "'\\''");
		else
			buf_char(b, *text);
	buf_char(b, '\'');
}

void buf_u64(struct buf *b, uint64_t value)
{
	char text[20];
	size_t at = sizeof text;

	do
		text[--at] = (char)('0' + value % 10);
	while (value /= 10);
	buf_add(b, text + at, sizeof text - at);
}

void buf_json_decimal(struct buf *b, double value, int decimals)
{
	static const double power[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9 };
	double scaled = rint(fabs(value) * power[decimals]);
	uint64_t units, whole, part;
	char text[10];

	if (!(scaled < 9007199254740992.0)) {
		buf_json_double(b, value);
		return;
	}
	units = (uint64_t)scaled;
	whole = units / (uint64_t)power[decimals];
	part = units % (uint64_t)power[decimals];
	if (value < 0 && units)
		buf_char(b, '-');
	buf_u64(b, whole);
	if (!part)
		return;
	for (int i = decimals; i > 0; i--, part /= 10)
		text[i] = (char)('0' + part % 10);
	text[0] = '.';
	while (text[decimals] == '0')
		decimals--;
	buf_add(b, text, (size_t)decimals + 1);
}
