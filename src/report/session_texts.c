/* session_texts.c - the distinct texts of the sessions, as one. */
#include "report/session_texts.h"

#include "spec/text.h"

#include <string.h>

const char *session_model(const struct session_findings *s)
{
	return s->model_name;
}

const char *session_strategy(const struct session_findings *s)
{
	return s->strategy;
}

void session_texts(struct buf *out, const struct findings *f, session_text *of, enum lang lang)
{
	enum { SHOWN = 3, LOOKED_AT = 1000 };
	const char *seen[SHOWN + 1];
	size_t n = 0;

	for (size_t i = 0; i < f->n_sessions && i < LOOKED_AT && n <= SHOWN; i++) {
		const char *value = of(&f->session[i]);
		size_t k = 0;

		while (k < n && strcmp(seen[k], value))
			k++;
		if (k == n && *value)
			seen[n++] = value;
	}
	if (n > 1)
		buf_str(out, text(TEXT_TERM_MIXED, lang));
	for (size_t i = 0; i < n && i < SHOWN; i++)
		buf_printf(out, "%s%s", i ? text(TEXT_LIST_COMMA, lang) : "", seen[i]);
	if (n > SHOWN)
		buf_printf(out, "%s…", text(TEXT_LIST_COMMA, lang));
}
