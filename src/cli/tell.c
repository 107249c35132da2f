/* tell.c - asks the environment which characters the terminal shows. */
#include "cli/tell.h"

#include "base/charset.h"
#include "base/file.h"
#include "base/utf8.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *locale_name(void)
{
	static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		const char *value = getenv(variables[i]);

		if (value && *value)
			return value;
	}
	return "C";
}

/* By the locale's name (even if the locale is not installed), otherwise as the system reports it. */
static void set_of(const char *name)
{
	const char *dot = strcasecmp(name, "UTF-8") ? strchr(name, '.') : ".";
	locale_t known;
	char set[32];

	if (dot) {
		snprintf(set, sizeof set, "%.*s", (int)strcspn(dot + 1, "@"), dot + 1);
		charset_set(set);
		return;
	}
	known = newlocale(LC_CTYPE_MASK, name, (locale_t)0);
	charset_set(known ? nl_langinfo_l(CODESET, known) : "ASCII");
	if (known)
		freelocale(known);
}

static enum lang told_in = LANG_EN;

void tell_open(enum lang lang)
{
	told_in = lang;
	set_of(locale_name());
	if (lang == LANG_ZH && !charset_has("中"))
		charset_set(NULL);
}

void tell(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) >= 0) {
		utf8_clean(text); /* it contains file names and words taken from files */
		file_say(STDERR_FILENO, slice_of(text));
	}
	va_end(args);
	free(text);
}

void tell_list(enum text_id id, const char *const *values)
{
	struct buf words = { 0 };

	text_fill_list(&words, told_in, id, values);
	tell("%s", words.failed ? text(id, told_in) : buf_text(&words));
	buf_free(&words);
}

enum lang tell_lang(void)
{
	return told_in;
}

int answer_to(const char *path, struct buf *text, bool for_people, struct err *err)
{
	int rc = text->failed ? err_set(err, ERR_NOMEM, "no memory for the answer")
		 : for_people ? file_write_text(path, buf_slice(text), err)
			      : file_write(path, buf_slice(text), err);

	buf_free(text);
	return rc;
}

int answer(struct buf *text, bool for_people, struct err *err)
{
	return answer_to("-", text, for_people, err);
}

bool tell_draws(void)
{
	return charset_has("●─█▁");
}
