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

enum { SHOWN = 3, LOOKED_AT = 1000 };

/* Distinct texts, in the order in which they come. */
struct distinct {
	const char *seen[SHOWN + 1];
	size_t n;
};

static void see(struct distinct *d, const char *value)
{
	size_t k = 0;

	while (k < d->n && strcmp(d->seen[k], value))
		k++;
	if (k == d->n && k <= SHOWN && *value)
		d->seen[d->n++] = value;
}

static void put_distinct(struct buf *out, const struct distinct *d, enum lang lang)
{
	if (d->n > 1)
		buf_str(out, text(TEXT_TERM_MIXED, lang));
	for (size_t i = 0; i < d->n && i < SHOWN; i++)
		buf_printf(out, "%s%s", i ? text(TEXT_LIST_COMMA, lang) : "", d->seen[i]);
	if (d->n > SHOWN)
		buf_printf(out, "%s…", text(TEXT_LIST_COMMA, lang));
}

void session_texts(struct buf *out, const struct findings *f, session_text *of, enum lang lang)
{
	struct distinct d = { .n = 0 };

	for (size_t i = 0; i < f->n_sessions && i < LOOKED_AT; i++)
		see(&d, of(&f->session[i]));
	put_distinct(out, &d, lang);
}

void instance_devices(struct buf *out, const struct findings *f, enum lang lang)
{
	struct distinct d = { .n = 0 };

	for (size_t i = 0; i < f->n_instances && i < LOOKED_AT; i++)
		see(&d, f->instance[i].device);
	put_distinct(out, &d, lang);
}
