/* markdown.c - escapes what Markdown would interpret. */
#include "report/markdown.h"

#include "base/utf8.h"

/* Bytes of a character that may not be shown, or of an invalid one; 0: it may be shown. */
static size_t hidden(const char *text)
{
	size_t bytes = utf8_char_bytes(text, strnlen(text, 4));

	if (!bytes)
		return 1;
	return utf8_may_be_shown(utf8_decode(text, &bytes)) ? 0 : bytes;
}

void md_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		size_t skip = c < 0x80 ? 0 : hidden(text);

		if (skip) {
			buf_str(out, "\xef\xbf\xbd");
			text += skip - 1;
		} else if (c < 0x20 || c == 0x7f) {
			buf_char(out, ' ');
		} else if (c == '<') {
			buf_str(out, "&lt;");
		} else if (c >= 0x80) {
			size_t n = utf8_char_bytes(text, strnlen(text, 4));

			buf_add(out, text, n);
			text += n - 1;
		} else {
			if (strchr("\\`*_[]|#", c) || (c == '!' && text[1] == '['))
				buf_char(out, '\\');
			buf_char(out, *text);
		}
	}
}

void md_heading(struct buf *out, int level, const char *text)
{
	buf_str(out, out->used ? "\n" : "");
	for (int i = 0; i < level; i++)
		buf_char(out, '#');
	buf_char(out, ' ');
	md_text(out, text);
	buf_str(out, "\n\n");
}
