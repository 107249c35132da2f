/* err.c - fills an error, in the reader's language; the table of codes. */
#include "base/err.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int exit_codes[ERR_CODE_COUNT] = {
#define ERR(name, exit) [ERR_##name] = exit,
#include "base/errors.def"
#undef ERR
};

static err_translate_fn *translate; /* NULL: English */

void err_translate(err_translate_fn *to)
{
	translate = to;
}

const char *err_words(const char *english)
{
	const char *other = translate ? translate(english) : NULL;

	return other ? other : english;
}

const char *err_said(char room[ERR_SAID_BYTES], const char *words)
{
	const char *known = err_words(words), *near = strstr(words, " near "); /* as jansson says where */
	char head[ERR_SAID_BYTES];

	if (known != words || !translate)
		return known;
	if (near && near - words < ERR_SAID_BYTES) {
		snprintf(head, sizeof head, "%.*s", (int)(near - words), words);
		known = translate(head);
	}
	if (near && known && known != words)
		snprintf(room, ERR_SAID_BYTES, err_words("%s near %s"), known, err_words(near + strlen(" near ")));
	else
		snprintf(room, ERR_SAID_BYTES, err_words("in the library's words: \"%s\""), words);
	return room;
}

__attribute__((format(printf, 4, 0))) static int set(struct err *err, enum err_code code, int os_errno, const char *fmt,
						     va_list args)
{
	struct err out = { .code = code };
	char said[ERR_SAID_BYTES];
	int used;

	used = vsnprintf(out.text, sizeof out.text, err_words(fmt), args);
	if (os_errno && used >= 0 && (size_t)used < sizeof out.text)
		snprintf(out.text + used, sizeof out.text - (size_t)used, err_words(": %s"),
			 err_said(said, strerror(os_errno)));
	utf8_clean(out.text); /* it contains file names and words taken from files */
	if (err)
		*err = out;
	return -(int)code;
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = set(err, code, 0, fmt, args);
	va_end(args);
	return rc;
}

int err_set_os(struct err *err, enum err_code code, int os_errno, const char *fmt, ...)
{
	va_list args;
	int rc;

	va_start(args, fmt);
	rc = set(err, code, os_errno, fmt, args);
	va_end(args);
	return rc;
}

int err_hint(struct err *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return -(int)ERR_USAGE;
	va_start(args, fmt);
	vsnprintf(err->hint, sizeof err->hint, err_words(fmt), args);
	utf8_clean(err->hint);
	va_end(args);
	return -(int)err->code;
}

int err_exit_code(enum err_code code)
{
	return exit_codes[code];
}
