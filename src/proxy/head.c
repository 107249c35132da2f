/* head.c - what stands between the texts of a request's head, and which headers exclude each other. */
#include "proxy/head.h"

#include "proxy/headers.h"

static void refuse(struct head *h, const char *why)
{
	if (!h->why)
		h->why = why;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_line_end(char c)
{
	return !c || c == '\r' || c == '\n';
}

/* Is there nothing but the rest of a line between a text and the next one? What was overwritten is its CR, or a blank
 * before that. */
static bool ends_line(const char *end, const char *next)
{
	const char *c = end + 1;

	if (*end)
		return false;
	while (c != next && is_blank(*c))
		c++;
	if (*c == '\r')
		c++;
	return is_line_end(*c) && c + 1 == next;
}

static void check_line(struct head *h, const char *next)
{
	if (!h->why && !ends_line(h->end, next))
		refuse(h, "a line of the request's head is folded, holds a NUL or does not end in CR LF");
}

/* The value of a header, or the version after a target: after one overwritten byte and blanks. */
static bool follows(const char *end, const char *next)
{
	const char *c = end + 1;

	if (*end)
		return false;
	while (c != next && is_blank(*c))
		c++;
	return c == next;
}

static bool is_token(const char *name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (const char *c = name; *c; c++)
		if (!(*c >= '0' && *c <= '9') && !(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
		    !strchr(others, *c))
			return false;
	return *name;
}

/* A CR alone is a line's end to some servers. */
static bool has_control(const char *value)
{
	for (const unsigned char *c = (const unsigned char *)value; *c; c++)
		if ((*c < ' ' && *c != '\t') || *c == 127)
			return true;
	return false;
}

void head_begin(struct head *h, struct slice target, const char *version)
{
	*h = (struct head){ .end = version + strlen(version), .is_1_1 = !strcmp(version, "HTTP/1.1") };
	if (!follows(target.p + target.n, version))
		refuse(h, "the request's target holds a NUL");
	if (!h->is_1_1 && strcmp(version, "HTTP/1.0") != 0)
		refuse(h, "expected HTTP/1.1 or HTTP/1.0");
}

void head_add(struct head *h, const char *name, const char *value)
{
	struct slice n = slice_of(name);

	check_line(h, name);
	if (!is_token(name))
		refuse(h, "a header's name holds a blank or another character that no name may hold");
	if (!value || !follows(name + n.n, value)) {
		refuse(h, "a line of the request's head is folded");
		return;
	}
	if (has_control(value))
		refuse(h, "a header's value holds a control character");
	h->hosts += header_is(n, "Host");
	h->lengths += header_is(n, "Content-Length");
	if (header_is(n, "Transfer-Encoding")) {
		h->codings++;
		if (!header_is(slice_of(value), "chunked"))
			refuse(h, "expected no Transfer-Encoding other than chunked");
	}
	h->end = value + strlen(value);
}

const char *head_end(struct head *h, const char *end)
{
	const char *blank_line = end - 2;

	check_line(h, blank_line);
	if (!h->why && (!is_line_end(blank_line[0]) || !is_line_end(blank_line[1])))
		refuse(h, "a line of the request's head has no name");
	if (h->hosts > 1 || (h->is_1_1 && !h->hosts))
		refuse(h, "expected one Host header");
	if (h->lengths > 1)
		refuse(h, "expected one Content-Length header");
	if (h->codings > 1 || (h->codings && !h->is_1_1))
		refuse(h, "expected one Transfer-Encoding header, and none in HTTP/1.0");
	if (h->lengths && h->codings)
		refuse(h, "Content-Length and Transfer-Encoding exclude each other");
	return h->why;
}
