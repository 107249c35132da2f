/* err.h - one error: what, where, what was expected, what to do.
 *
 * Functions that can fail return 0 or a negative `enum err_code` and fill the
 * caller's `struct err`. Nobody below main prints or exits; main prints `text`
 * and, on its own line, `hint`.
 *
 * Ownership  plain value, no allocation; texts are truncated, never overrun.
 * Threads    each caller brings its own.
 */
#ifndef RWKVMON_BASE_ERR_H
#define RWKVMON_BASE_ERR_H

enum err_code {
	ERR_OK,
#define ERR(name, exit) ERR_##name,
#include "base/errors.def"
#undef ERR
	ERR_CODE_COUNT
};

struct err {
	enum err_code code;
	char text[480]; /* "FILE: what went wrong; expected …" */
	char hint[320]; /* what to do about it; may be empty */
};

/* Fills *err (NULL is fine) and returns -code. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same, and appends ": " and strerror(os_errno) when os_errno is not 0. */
int err_set_os(struct err *err, enum err_code code, int os_errno, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds the advice to an error already set; returns -err->code. */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Process exit code of an error; 0 for ERR_OK. */
int err_exit_code(enum err_code code);

/* Selects another language for errors: `to` translates an English format or text (NULL: no translation). Called once by
 * main, before any thread is started; without it errors are in English. */
typedef const char *err_translate_fn(const char *english);
void err_translate(err_translate_fn *to);

/* Translates a text that is used as a value in an error. */
const char *err_words(const char *english) __attribute__((format_arg(1)));

/* What a library says of an error, for use as a value: in the selected language where its words are known, else they
 * are quoted, so that nobody takes them for ours. The text is `room` or one that lives as long as its argument. */
enum { ERR_SAID_BYTES = 160 };
const char *err_said(char room[ERR_SAID_BYTES], const char *words);

#endif
