#include "report/markdown.h"

#include "base/utf8.h"

/* Bytes of a character that would turn the text around; 0: it is another. */
static size_t turning(const char *text)
{
	size_t bytes = utf8_char_bytes(text, strlen(text) < 4 ? strlen(text) : 4);

	return bytes && utf8_turns_text(utf8_decode(text, &bytes)) ? bytes : 0;
}

void md_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		size_t turns = c < 0x80 ? 0 : turning(text);

		if (turns) {
			buf_str(out, "\xef\xbf\xbd");
			text += turns - 1;
		} else if (c < 0x20 || c == 0x7f) {
			buf_char(out, ' ');
		} else if (c == '<') {
			buf_str(out, "&lt;");
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

void md_filled(struct buf *out, const char *words, const char *value)
{
	const char *hole = strstr(words, "%s");

	buf_add(out, words, hole ? (size_t)(hole - words) : strlen(words));
	if (hole) {
		buf_str(out, value);
		buf_str(out, hole + 2);
	}
}
