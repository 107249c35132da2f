#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int exit_code;
	const char *meaning;
} rows[ERR_CODE_COUNT] = {
	[ERR_OK] = { 0, "fine" },
#define ERR(name, exit, meaning) [ERR_##name] = { exit, meaning },
#include "base/errors.def"
#undef ERR
};

__attribute__((format(printf, 4, 0)))
static int set(struct err *err, enum err_code code, int os_errno, const char *fmt, va_list args)
{
	struct err out = { .code = code };
	int used;

	used = vsnprintf(out.text, sizeof out.text, fmt, args);
	if (os_errno && used >= 0 && (size_t)used < sizeof out.text)
		snprintf(out.text + used, sizeof out.text - (size_t)used, ": %s", strerror(os_errno));
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
	vsnprintf(err->hint, sizeof err->hint, fmt, args);
	va_end(args);
	return -(int)err->code;
}

int err_exit_code(enum err_code code)
{
	return rows[code].exit_code;
}

const char *err_meaning(enum err_code code)
{
	return rows[code].meaning;
}
