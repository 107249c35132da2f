/* headers.c - hop-by-hop and end-to-end. */
#include "proxy/headers.h"

#include <strings.h>

bool header_is(struct slice name, const char *wanted)
{
	return name.n == strlen(wanted) && !strncasecmp(name.p, wanted, name.n);
}

/* Is it one of the names in a list like "close, X-Foo"? */
static bool is_listed(struct slice name, struct slice list)
{
	while (list.n) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;
		struct slice one = { list.p, n };

		while (one.n && (*one.p == ' ' || *one.p == '\t'))
			one = (struct slice){ one.p + 1, one.n - 1 };
		while (one.n && (one.p[one.n - 1] == ' ' || one.p[one.n - 1] == '\t'))
			one.n--;
		if (one.n == name.n && !strncasecmp(one.p, name.p, name.n))
			return true;
		n += comma ? 1 : 0;
		list = (struct slice){ list.p + n, list.n - n };
	}
	return false;
}

bool header_is_hop_by_hop(struct slice name, struct slice connection)
{
	static const char *const always[] = { "Connection",
					      "Keep-Alive",
					      "Proxy-Authenticate",
					      "Proxy-Authorization",
					      "Proxy-Connection",
					      "TE",
					      "Trailer",
					      "Transfer-Encoding",
					      "Upgrade" };

	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		if (header_is(name, always[i]))
			return true;
	return is_listed(name, connection);
}

bool header_split(struct slice line, struct slice *name, struct slice *value)
{
	const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
	const char *from = colon ? colon + 1 : NULL, *end = line.p + line.n;

	if (!colon || colon == line.p)
		return false;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n'))
		end--;
	*name = (struct slice){ line.p, (size_t)(colon - line.p) };
	*value = (struct slice){ from, (size_t)(end - from) };
	return !memchr(name->p, ' ', name->n) && !memchr(name->p, '\t', name->n);
}
