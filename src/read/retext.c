/* retext.c - UTF-16 and wrapped lines into plain lines. */
#include "read/retext.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

enum { PULL_BYTES = 64 << 10, LOOK_LINES = 16, LOOK_MOST = 64 << 10, PREFIX_MAX = 512 };

struct retext {
	enum text_form form;
	bool goes_on, ended;
	read_pull *pull;
	void *ctx;
	struct buf in; /* as it comes, from `at` on not yet used */
	size_t at;
	struct buf out; /* from out_at on not yet pulled */
	size_t out_at;
	struct buf parts;   /* pieces of a line whose end is still to come */
	struct buf scratch; /* of one line */
	uint64_t used, whole;
};

/* --- one wrapped line ------------------------------------------------------------------- */

static bool has(struct slice text, const char *word)
{
	return memmem(text.p, text.n, word, strlen(word)) != NULL;
}

static struct slice trim(struct slice s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0])
		s.p++, s.n--;
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1])
		s.n--;
	return s;
}

static bool is_record(struct slice s)
{
	s = trim(s);
	return s.n && *s.p == '{' && has(s, "\"event_type\"");
}

static bool four_digits(struct slice s, uint32_t *code)
{
	*code = 0;
	for (size_t i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef0123456789ABCDEF";
		const char *d = i < s.n && s.p[i] ? strchr(digits, s.p[i]) : NULL;

		if (!d)
			return false;
		*code = *code << 4 | (uint32_t)((d - digits) & 15);
	}
	return true;
}

static void add_code(struct buf *out, uint32_t c)
{
	char bytes[4];
	size_t n = utf8_encode(bytes, c);

	buf_add(out, bytes, n);
}

/* Behind \u; surrogates come in pairs, one alone is no character. Bytes that were used. */
static size_t add_escaped_code(struct buf *out, struct slice s)
{
	uint32_t c, low;

	if (!four_digits(s, &c))
		return 0;
	if (c < 0xd800 || c > 0xdfff) {
		add_code(out, c);
		return 4;
	}
	if (c < 0xdc00 && s.n >= 10 && s.p[4] == '\\' && s.p[5] == 'u' &&
	    four_digits((struct slice){ s.p + 6, s.n - 6 }, &low) && low >= 0xdc00 && low <= 0xdfff) {
		add_code(out, 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00)));
		return 10;
	}
	add_code(out, 0xfffd);
	return 4;
}

/* The text of a JSON string up to its end; false: it has none. */
static bool add_string(struct buf *out, struct slice s)
{
	static const char from[] = "nrtbf\"\\/", to[] = "\n\r\t\b\f\"\\/";

	while (s.n) {
		const char *plain = s.p, *kind;
		size_t n = 0;

		while (n < s.n && plain[n] != '"' && plain[n] != '\\')
			n++;
		buf_add(out, plain, n);
		if (n == s.n)
			return false;
		if (plain[n] == '"')
			return true;
		s = (struct slice){ s.p + n + 1, s.n - n - 1 };
		if (!s.n)
			return false;
		kind = *s.p ? strchr(from, *s.p) : NULL;
		n = 1;
		if (kind)
			buf_char(out, to[kind - from]);
		else if (*s.p == 'u')
			n += add_escaped_code(out, (struct slice){ s.p + 1, s.n - 1 });
		s = (struct slice){ s.p + n, s.n - n };
	}
	return false;
}

/* The bytes of a JSON array of their numbers: so journald writes a text that is not UTF-8 or has control characters.
 * False: it is none. */
static bool add_numbered_bytes(struct buf *out, struct slice s)
{
	const char *end = s.p + s.n;

	for (const char *p = s.p; p < end;) {
		const char *first;
		unsigned byte = 0;

		while (p < end && *p == ' ')
			p++;
		for (first = p; p < end && p - first < 3 && *p >= '0' && *p <= '9'; p++)
			byte = byte * 10 + (unsigned)(*p - '0');
		if (p == first || byte > UINT8_MAX)
			return false;
		while (p < end && *p == ' ')
			p++;
		if (p == end || (*p != ',' && *p != ']'))
			return false;
		buf_char(out, (char)(unsigned char)byte);
		if (*p++ == ']')
			return true;
	}
	return false;
}

/* What is behind `"key":`; n 0: there is nothing. */
static struct slice value_of(struct slice line, const char *key)
{
	const char *at = memmem(line.p, line.n, key, strlen(key)), *end = line.p + line.n;

	if (!at)
		return (struct slice){ line.p, 0 };
	for (at += strlen(key); at < end && (*at == ' ' || *at == ':'); at++)
		;
	return (struct slice){ at, (size_t)(end - at) };
}

/* A text as a JSON string or as numbers of bytes; false: it is neither. */
static bool add_text(struct buf *out, struct slice value)
{
	const struct slice inside = { value.p + 1, value.n - 1 };

	if (!value.n || (*value.p != '"' && *value.p != '['))
		return false;
	return *value.p == '"' ? add_string(out, inside) : add_numbered_bytes(out, inside);
}

/* What follows a prefix such as a colour or a service's name; n 0: no record does. */
static struct slice behind_prefix(struct slice text)
{
	const char *brace = text.n ? memchr(text.p, '{', text.n < PREFIX_MAX ? text.n : PREFIX_MAX) : NULL;
	struct slice rest = { brace, brace ? (size_t)(text.p + text.n - brace) : 0 };

	return brace && is_record(rest) && rest.p[rest.n - 1] == '}' ? rest : (struct slice){ text.p, 0 };
}

/* A JSON object that holds the line as a text. */
static struct slice out_of_object(struct slice line, struct buf *scratch, bool *part)
{
	static const char *const keys[] = { "\"log\"", "\"MESSAGE\"", "\"message\"", "\"line\"" };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct slice text = value_of(line, keys[i]), record;

		buf_clear(scratch);
		if (!add_text(scratch, text) || scratch->failed || !scratch->used)
			continue;
		*part = i == 0 && scratch->p[scratch->used - 1] != '\n' && has(line, "\"stream\"");
		if (*part)
			return buf_slice(scratch);
		record = behind_prefix(trim(buf_slice(scratch)));
		return record.n ? record : trim(buf_slice(scratch));
	}
	return (struct slice){ line.p, 0 };
}

/* TIME stdout F REST, or P where the rest goes on. */
static bool out_of_cri(struct slice line, struct slice *rest, bool *part)
{
	static const char *const tags[] = { " stdout F ", " stderr F ", " stdout P ", " stderr P " };
	struct slice begin = { line.p, line.n < 64 ? line.n : 64 };

	for (size_t i = 0; i < 4; i++) {
		const char *at = memmem(begin.p, begin.n, tags[i], strlen(tags[i]));

		if (!at)
			continue;
		at += strlen(tags[i]);
		*rest = (struct slice){ at, (size_t)(line.p + line.n - at) };
		*part = i >= 2;
		return true;
	}
	return false;
}

/* The line inside, in *scratch or in the line itself; n 0: it is not wrapped. *part: its end comes with the next one.
 */
static struct slice retext_unwrap(struct slice line, struct buf *scratch, bool *part)
{
	struct slice rest = trim(line);
	const char *brace = memchr(rest.p, '{', rest.n < PREFIX_MAX ? rest.n : PREFIX_MAX);

	*part = false;
	if (out_of_cri(rest, &rest, part))
		return rest;
	if (!brace || (brace == rest.p && is_record(rest)))
		return (struct slice){ line.p, 0 };
	if (brace == rest.p)
		return out_of_object(rest, scratch, part);
	return behind_prefix(rest);
}

/* --- what a text is ---------------------------------------------------------------------- */

/* The first line that says so. */
static enum text_form form_of_lines(struct slice text, bool all, int *lines)
{
	struct buf scratch = { 0 };
	enum text_form form = FORM_UNDECIDED;

	for (*lines = 0; *lines < LOOK_LINES && text.n && form == FORM_UNDECIDED; ++*lines) {
		const char *end = memchr(text.p, '\n', text.n);
		struct slice line = { text.p, end ? (size_t)(end - text.p) : text.n }, inner;
		bool part;

		if (!end && !all)
			break;
		inner = retext_unwrap(line, &scratch, &part);
		if (inner.n && (part || is_record(inner)))
			form = FORM_WRAPPED;
		else if (is_record(line))
			form = FORM_PLAIN;
		text = (struct slice){ line.p + line.n + (end != NULL), text.n - line.n - (end != NULL) };
	}
	buf_free(&scratch);
	return form;
}

enum text_form text_form_of(struct slice begin, bool all)
{
	enum text_form form;
	int lines;

	if (begin.n >= 2 && !memcmp(begin.p, "\xff\xfe", 2))
		return FORM_UTF16LE;
	if (begin.n >= 2 && !memcmp(begin.p, "\xfe\xff", 2))
		return FORM_UTF16BE;
	form = form_of_lines(begin, all, &lines);
	return form == FORM_UNDECIDED && (all || begin.n >= LOOK_MOST || lines >= LOOK_LINES) ? FORM_PLAIN : form;
}

/* --- the stream --------------------------------------------------------------------------- */

struct retext *retext_open(enum text_form form, struct slice begin, bool goes_on, read_pull *pull, void *ctx)
{
	struct retext *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->form = form;
	t->goes_on = goes_on;
	t->pull = pull;
	t->ctx = ctx;
	buf_add(&t->in, begin.p, begin.n);
	if (!t->in.failed)
		return t;
	retext_close(t);
	return NULL;
}

void retext_close(struct retext *t)
{
	if (!t)
		return;
	buf_free(&t->in);
	buf_free(&t->out);
	buf_free(&t->parts);
	buf_free(&t->scratch);
	free(t);
}

uint64_t retext_whole(const struct retext *t)
{
	return t->whole;
}

bool retext_is_drained(const struct retext *t)
{
	return t->out_at == t->out.used;
}

static uint32_t unit_at(const struct retext *t, size_t at)
{
	unsigned char a = (unsigned char)t->in.p[at], b = (unsigned char)t->in.p[at + 1];

	return t->form == FORM_UTF16LE ? (uint32_t)(b << 8 | a) : (uint32_t)(a << 8 | b);
}

/* Whole characters; an odd byte and half a pair wait for the rest. */
static void convert_utf16(struct retext *t)
{
	while (t->in.used - t->at >= 2) {
		uint32_t c = unit_at(t, t->at), low;

		if (c >= 0xd800 && c < 0xdc00) {
			if (t->in.used - t->at < 4)
				break;
			low = unit_at(t, t->at + 2);
			if (low >= 0xdc00 && low < 0xe000) {
				add_code(&t->out, 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00)));
				t->at += 4;
				continue;
			}
		}
		if (c >= 0xd800 && c < 0xe000)
			c = 0xfffd;
		add_code(&t->out, c);
		t->at += 2;
	}
	t->whole = t->used + t->at;
}

static void put_line(struct retext *t, struct slice line)
{
	bool part;
	struct slice inner = retext_unwrap(line, &t->scratch, &part);

	if (!inner.n)
		inner = line;
	if (part || t->parts.used)
		buf_add(&t->parts, inner.p, inner.n);
	if (part && t->parts.used <= RETEXT_LINE_MAX)
		return;
	if (t->parts.used)
		inner = buf_slice(&t->parts);
	buf_add(&t->out, inner.p, inner.n);
	buf_char(&t->out, '\n');
	t->out.failed |= t->parts.failed || t->scratch.failed;
	buf_clear(&t->parts);
}

static void convert_lines(struct retext *t)
{
	for (;;) {
		struct slice rest = { t->in.p + t->at, t->in.used - t->at };
		const char *end = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
		bool last = !end && rest.n && (t->ended || rest.n > RETEXT_LINE_MAX);

		if (!end && !last)
			break;
		rest.n = end ? (size_t)(end - rest.p) : rest.n;
		put_line(t, rest);
		t->at += rest.n + (end != NULL);
		if (!t->parts.used)
			t->whole = t->used + t->at;
	}
}

/* 0: there is more in `out`, or the end has come; -1 with errno. */
static int pull_more(struct retext *t)
{
	ssize_t got;

	memmove(t->in.p, t->in.p + t->at, t->in.used - t->at);
	t->in.used -= t->at;
	t->used += t->at;
	t->at = 0;
	if (!buf_reserve(&t->in, PULL_BYTES)) {
		errno = ENOMEM;
		return -1;
	}
	got = t->pull(t->ctx, t->in.p + t->in.used, PULL_BYTES);
	if (got < 0)
		return -1;
	t->in.used += (size_t)got;
	t->ended = !got && !t->goes_on;
	return got > 0;
}

ssize_t retext_pull(void *ctx, void *buffer, size_t n)
{
	struct retext *t = ctx;

	while (t->out_at == t->out.used) {
		int more;

		buf_clear(&t->out);
		t->out_at = 0;
		t->form == FORM_WRAPPED ? convert_lines(t) : convert_utf16(t);
		if (t->out.failed) {
			errno = ENOMEM;
			return -1;
		}
		if (t->out.used)
			break;
		if (t->ended)
			return 0;
		more = pull_more(t);
		if (more < 0)
			return -1;
		if (!more && t->goes_on)
			return 0;
	}
	n = n < t->out.used - t->out_at ? n : t->out.used - t->out_at;
	memcpy(buffer, t->out.p + t->out_at, n);
	t->out_at += n;
	return (ssize_t)n;
}
