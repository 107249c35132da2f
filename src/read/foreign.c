/* foreign.c - a text's first bytes show what somebody made of a log, or will make one of. */
#include "read/foreign.h"

#include <string.h>

#define BYTES(text)                                                                                                    \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}

static const struct {
	struct slice begin;
	struct foreign what;
} by_first_bytes[] = {
	{ BYTES("\xff\xfe\0\0"), { "is UTF-32, not UTF-8", "iconv -f UTF-32 -t UTF-8" } },
	{ BYTES("\0\0\xfe\xff"), { "is UTF-32, not UTF-8", "iconv -f UTF-32 -t UTF-8" } },
	{ BYTES("{\0\0\0"), { "is UTF-32, not UTF-8", "iconv -f UTF-32LE -t UTF-8" } },
	{ BYTES("\0\0\0{"), { "is UTF-32, not UTF-8", "iconv -f UTF-32BE -t UTF-8" } },
	{ BYTES("{\0"), { "is UTF-16 without its mark, not UTF-8", "iconv -f UTF-16LE -t UTF-8" } },
	{ BYTES("\0{"), { "is UTF-16 without its mark, not UTF-8", "iconv -f UTF-16BE -t UTF-8" } },
	{ BYTES("PK\3\4"), { "is a zip archive", "unzip -p" } },
};

static const struct foreign array = { "is one JSON array, not one record per line", "jq -c '.[]'" },
			    spread = { "its JSON objects are not one per line", "jq -c ." },
			    carriage = { "its lines end with CR alone, not with LF", "tr '\\r' '\\n' <" };

static struct slice from_first_mark(struct slice s)
{
	size_t i = s.n >= 3 && !memcmp(s.p, "\xef\xbb\xbf", 3) ? 3 : 0;

	while (i < s.n && strchr(" \t\r\n", s.p[i]) && s.p[i])
		i++;
	return (struct slice){ s.p + i, s.n - i };
}

/* The first line of an object ends where the object goes on, or holds several. */
static bool is_spread(struct slice s)
{
	const char *end = memchr(s.p, '\n', s.n), *last;

	last = end ? end : s.p + s.n;
	while (last > s.p && strchr(" \t\r", last[-1]))
		last--;
	return (end && (last[-1] == '{' || last[-1] == ',')) || memmem(s.p, (size_t)(last - s.p), "}{\"", 3) ||
	       memmem(s.p, (size_t)(last - s.p), "} {\"", 4);
}

const struct foreign *foreign_of(struct slice begin)
{
	struct slice s;

	for (size_t i = 0; i < sizeof by_first_bytes / sizeof *by_first_bytes; i++) {
		const struct slice *known = &by_first_bytes[i].begin;

		if (begin.n >= known->n && !memcmp(begin.p, known->p, known->n))
			return &by_first_bytes[i].what;
	}
	s = from_first_mark(begin);
	if (!s.n || (*s.p != '{' && *s.p != '['))
		return NULL;
	if (!memchr(s.p, '\n', s.n) && memchr(s.p, '\r', s.n))
		return &carriage;
	return *s.p == '[' ? &array : is_spread(s) ? &spread : NULL;
}
