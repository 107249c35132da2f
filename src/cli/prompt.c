/* prompt.c - looks at every byte: a model reads any of them, and answers to noise as to words. */
#include "cli/prompt.h"

#include "base/file.h"
#include "base/utf8.h"

#include <string.h>

enum { PROMPT_MAX_BYTES = 64 << 20 };

/* Where something begins that no text holds; text.n when nothing does. */
static size_t first_fault(struct slice text)
{
	size_t at = 0, bytes;

	while (at < text.n && text.p[at] && (bytes = utf8_char_bytes(text.p + at, text.n - at)))
		at += bytes;
	return at < text.n && text.p[at] && !utf8_whole_prefix(text.p + at, text.n - at) ? text.n : at;
}

/* By its first bytes; without them it may be text in another character set. */
static int advise(struct slice text, const char *path, struct err *err)
{
	bool utf16 = text.n > 1 && (!memcmp(text.p, "\xff\xfe", 2) || !memcmp(text.p, "\xfe\xff", 2));

	if (memchr(text.p, 0, text.n) && !utf16)
		return err_hint(err, "no text holds NUL bytes: is it the right file?");
	return err_hint(err, "if it is text, convert it: iconv -f %s -t UTF-8 %s", utf16 ? "UTF-16" : "GB18030", path);
}

static int refuse(struct slice text, size_t at, const char *path, struct err *err)
{
	const char *name = strcmp(path, "-") ? path : err_words("standard input");
	size_t line = 1;

	for (size_t i = 0; i < at; i++)
		line += text.p[i] == '\n';
	err_set(err, ERR_FORMAT, "%s: is no UTF-8 text: byte %02x at position %zu (line %zu)", name,
		(unsigned char)text.p[at], at, line);
	return advise(text, path, err);
}

int prompt_read(struct buf *out, const char *path, struct err *err)
{
	static const char mark[] = "\xef\xbb\xbf";
	struct buf whole = { 0 };
	struct slice text;
	size_t fault;
	int rc = file_read(&whole, path, PROMPT_MAX_BYTES, err);

	text = buf_slice(&whole);
	if (!rc) {
		fault = first_fault(text);
		rc = fault < text.n ? refuse(text, fault, path, err) : 0;
	}
	if (!rc && text.n >= sizeof mark - 1 && !memcmp(text.p, mark, sizeof mark - 1))
		text = (struct slice){ text.p + 3, text.n - 3 };
	if (!rc)
		buf_add(out, text.p, text.n);
	buf_free(&whole);
	return rc;
}
