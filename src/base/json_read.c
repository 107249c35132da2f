/* json_read.c - finds values in JSON texts without building a tree. */
#include "base/json_read.h"

#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static size_t skip_blanks(struct slice s, size_t i)
{
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\r'))
		i++;
	return i;
}

/* Position after the string that begins at i; 0: it does not end. */
static size_t skip_string(struct slice s, size_t i)
{
	for (i++; i < s.n;) {
		const char *from = s.p + i, *quote = memchr(from, '"', s.n - i),
			   *escape = quote ? memchr(from, '\\', (size_t)(quote - from)) : NULL;

		if (!quote)
			return 0;
		if (!escape)
			return (size_t)(quote - s.p) + 1;
		i = (size_t)(escape - s.p) + 2;
	}
	return 0;
}

/* Position after the value that begins at i; 0: it does not end, or there is none. */
static size_t skip_value(struct slice s, size_t i)
{
	size_t depth = 0, from = i;

	for (; i < s.n; i++) {
		char c = s.p[i];

		if (c == '"') {
			i = skip_string(s, i);
			if (!i)
				return 0;
			i--;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if ((c == '}' || c == ']') && !depth) {
			break;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (!depth && (c == ',' || isspace((unsigned char)c))) {
			break;
		}
		if (!depth && (c == '"' || c == '}' || c == ']'))
			return i + 1;
	}
	return depth ? 0 : i > from ? i : 0;
}

/* The member that begins at i: its name, its value, and the place behind it. False: there is none. */
static bool read_pair(struct slice object, size_t i, struct slice *name, struct slice *value, size_t *behind)
{
	size_t end = i < object.n && object.p[i] == '"' ? skip_string(object, i) : 0;
	size_t from = end ? skip_blanks(object, end) : 0;

	if (!from || from >= object.n || object.p[from] != ':')
		return false;
	from = skip_blanks(object, from + 1);
	*behind = skip_value(object, from);
	if (!*behind)
		return false;
	*name = (struct slice){ object.p + i + 1, end - 1 - (i + 1) };
	*value = (struct slice){ object.p + from, *behind - from };
	return true;
}

bool json_read_pair(struct slice object, size_t *at, struct slice *name, struct slice *value)
{
	size_t i = skip_blanks(object, *at), behind;
	bool first = !*at;

	*at = SIZE_MAX;
	if (i >= object.n || object.p[i] != (first ? '{' : ',') ||
	    !read_pair(object, skip_blanks(object, i + 1), name, value, &behind))
		return false;
	*at = behind;
	return true;
}

struct slice json_read_member(struct slice object, const char *key)
{
	struct slice name, value;
	size_t at = 0;

	while (json_read_pair(object, &at, &name, &value))
		if (slice_is(name, key))
			return value;
	return (struct slice){ "", 0 };
}

bool json_read_element(struct slice array, size_t *at, struct slice *element)
{
	bool first = !*at;
	size_t i = skip_blanks(array, *at), behind;

	*at = SIZE_MAX;
	if (i < array.n && array.p[i] == (first ? '[' : ','))
		i = skip_blanks(array, i + 1);
	else if (first || i >= array.n || array.p[i] != ']')
		return false;
	if (i < array.n && array.p[i] == ']' && array.p[i - 1] != ',') { /* the end of the array, not after a comma */
		*at = skip_blanks(array, i + 1) == array.n ? i : SIZE_MAX;
		return false;
	}
	behind = skip_value(array, i);
	if (!behind)
		return false;
	*element = (struct slice){ array.p + i, behind - i };
	*at = behind;
	return true;
}

static void add_utf8(struct buf *out, uint32_t c)
{
	char bytes[4];
	const size_t n = utf8_encode(bytes, c);

	buf_add(out, bytes, n);
}

/* Value of the four hex digits at i; UINT32_MAX: they are not hex digits. */
static uint32_t hex4(struct slice s, size_t i)
{
	uint32_t value = 0;

	for (size_t k = i; k < i + 4; k++) {
		if (k >= s.n || !isxdigit((unsigned char)s.p[k]))
			return UINT32_MAX;
		value = value << 4 |
			(uint32_t)(isdigit((unsigned char)s.p[k]) ? s.p[k] - '0' : (s.p[k] | 32) - 'a' + 10);
	}
	return value;
}

/* Appends the character \uXXXX at i, together with the other half if it is a surrogate pair; a lone surrogate, and what
 * is no character, becomes U+FFFD. Returns the position after it.
 */
static size_t add_escaped(struct buf *out, struct slice s, size_t i)
{
	uint32_t c = hex4(s, i + 2), low;

	if (c == UINT32_MAX) {
		add_utf8(out, 0xfffd);
		return i + 2;
	}
	if (c < 0xd800 || c > 0xdfff) {
		add_utf8(out, c ? c : 0xfffd);
		return i + 6;
	}
	low = c < 0xdc00 && i + 7 < s.n && s.p[i + 6] == '\\' && s.p[i + 7] == 'u' ? hex4(s, i + 8) : UINT32_MAX;
	if (low < 0xdc00 || low > 0xdfff) {
		add_utf8(out, 0xfffd);
		return i + 6;
	}
	add_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
	return i + 12;
}

size_t json_read_string(struct buf *out, struct slice text)
{
	static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const size_t behind = text.n && text.p[0] == '"' ? skip_string(text, 0) : 0;

	text.n = behind ? behind - 1 : 0;
	for (size_t i = 1; i < text.n;) {
		const char *known, *escape = memchr(text.p + i, '\\', text.n - i);
		const size_t upto = escape ? (size_t)(escape - text.p) : text.n;

		buf_add(out, text.p + i, upto - i);
		i = upto;
		if (!escape)
			break;
		if (text.p[i + 1] == 'u') {
			i = add_escaped(out, text, i);
			continue;
		}
		known = memchr(plain, text.p[i + 1], sizeof plain - 1);
		buf_char(out, known ? meant[known - plain] : text.p[i + 1]);
		i += 2;
	}
	return behind;
}

bool json_read_text(struct buf *out, struct slice value)
{
	return value.n >= 2 && value.p[0] == '"' && skip_string(value, 0) == value.n &&
	       json_read_string(out, value) == value.n;
}

/* -? digits, perhaps a fraction, perhaps an exponent: what strtod takes beyond that is no JSON. */
static bool is_number(struct slice s, bool whole)
{
	size_t i = s.n && s.p[0] == '-', from = i;

	while (i < s.n && isdigit((unsigned char)s.p[i]))
		i++;
	if (i == from)
		return false;
	if (!whole && i < s.n && s.p[i] == '.')
		for (from = ++i; i < s.n && isdigit((unsigned char)s.p[i]);)
			i++;
	if (i == from)
		return false;
	if (!whole && i < s.n && (s.p[i] | 32) == 'e') {
		i++;
		i += i < s.n && (s.p[i] == '+' || s.p[i] == '-');
		for (from = i; i < s.n && isdigit((unsigned char)s.p[i]);)
			i++;
	}
	return i == s.n && i != from;
}

bool json_read_whole(struct slice value, int64_t *out)
{
	char digits[24];

	if (!is_number(value, true) || value.n >= sizeof digits)
		return false;
	memcpy(digits, value.p, value.n);
	digits[value.n] = 0;
	errno = 0;
	*out = strtoll(digits, NULL, 10);
	return !errno;
}

/* Up to 15 digits with or without a point: whole number and power of ten are exact, so that their quotient is rounded
 * once, as strtod does. False: it is written otherwise. */
static bool read_short(struct slice value, double *out)
{
	static const double tens[] = { 1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
				       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
	const bool negative = value.n && *value.p == '-';
	int64_t whole = 0;
	size_t digits = 0, behind = 0, i = negative;

	for (; i < value.n && digits <= 15 && isdigit((unsigned char)value.p[i]); i++, digits++)
		whole = whole * 10 + (value.p[i] - '0');
	if (digits && i < value.n && value.p[i] == '.')
		for (i++; i < value.n && digits <= 15 && isdigit((unsigned char)value.p[i]); i++, digits++, behind++)
			whole = whole * 10 + (value.p[i] - '0');
	if (i < value.n || !digits || digits > 15 || value.p[i - 1] == '.')
		return false;
	*out = (double)whole / tens[behind];
	*out = negative ? -*out : *out;
	return true;
}

bool json_read_number(struct slice value, double *out)
{
	char text[1100]; /* every double has its exact decimal number in 1,077 characters */

	if (read_short(value, out))
		return true;
	if (!is_number(value, false) || value.n >= sizeof text)
		return false;
	memcpy(text, value.p, value.n);
	text[value.n] = 0;
	*out = strtod(text, NULL);
	return isfinite(*out);
}
