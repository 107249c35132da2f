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

__attribute__((format(printf, 4, 0))) static int set(struct err *err, enum err_code code, int os_errno, const char *fmt,
						     va_list args)
{
	struct err out = { .code = code };
	int used;

	used = vsnprintf(out.text, sizeof out.text, err_words(fmt), args);
	if (os_errno && used >= 0 && (size_t)used < sizeof out.text)
		snprintf(out.text + used, sizeof out.text - (size_t)used, err_words(": %s"),
			 err_words(strerror(os_errno)));
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
