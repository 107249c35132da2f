/* accept.c - which of the two formats an Accept header asks for (RFC 9110, section 12.5.1). */
#include "export/snapshot.h"

#include <stdlib.h>
#include <strings.h>

static struct slice trimmed(struct slice s)
{
	while (s.n && (*s.p == ' ' || *s.p == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* The text before the next `end`; *rest continues after it. */
static struct slice next_part(struct slice *rest, char end)
{
	const char *at = rest->n ? memchr(rest->p, end, rest->n) : NULL;
	struct slice part = { rest->p, at ? (size_t)(at - rest->p) : rest->n };

	rest->p += part.n + (at != NULL);
	rest->n -= part.n + (at != NULL);
	return trimmed(part);
}

static bool same_word(struct slice s, const char *word)
{
	return s.n == strlen(word) && !strncasecmp(s.p, word, s.n);
}

/* "q=0.5" gives 0.5; anything that is not a number gives 0. */
static double weight_of(struct slice value)
{
	char text[16];
	double q;

	if (value.n >= sizeof text)
		return 0;
	memcpy(text, value.p, value.n);
	text[value.n] = 0;
	q = strtod(text, NULL);
	return q >= 0 && q <= 1 ? q : 0;
}

struct wish {
	struct slice type;
	double weight;
	bool ours; /* no version, or the one we speak */
};

static struct wish read_wish(struct slice item, const char *version)
{
	struct wish wish = { .type = next_part(&item, ';'), .weight = 1, .ours = true };

	while (item.n) {
		struct slice value = next_part(&item, ';'), key = next_part(&value, '=');

		if (same_word(key, "q"))
			wish.weight = weight_of(value);
		else if (same_word(key, "version"))
			wish.ours = same_word(value, version);
	}
	return wish;
}

static double weight_in(struct slice accept, const char *type, const char *version, bool or_any)
{
	double best = 0;

	while (accept.n) {
		struct wish wish = read_wish(next_part(&accept, ','), version);
		bool any = or_any && (same_word(wish.type, "*/*") || same_word(wish.type, "text/*"));

		if ((any || (same_word(wish.type, type) && wish.ours)) && wish.weight > best)
			best = wish.weight;
	}
	return best;
}

enum exposition exposition_accepted(struct slice accept)
{
	double open = weight_in(accept, "application/openmetrics-text", "1.0.0", false);
	double text = weight_in(accept, "text/plain", "0.0.4", true);

	return open > 0 && open >= text ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}
