/* template.c - copies what is between the marks. */
#include "report/template.h"

#include "report/page.h"
#include "report/web_files.h"

#include <string.h>

static const char *const text_names[TEXT_COUNT] = {
#define TEXT(name, en, zh) [TEXT_##name] = #name,
#include "spec/text.def"
#undef TEXT
};

void template_common(struct buf *out, struct slice name, enum lang lang)
{
	if (slice_is(name, "lang"))
		buf_str(out, lang == LANG_ZH ? "zh-CN" : "en");
	if (slice_is(name, "version"))
		buf_str(out, RWKVMON_VERSION);
	for (int id = 0; id < TEXT_COUNT; id++)
		if (slice_is(name, text_names[id]))
			put_str(out, text((enum text_id)id, lang));
}

/* The text behind `mark`. */
static struct slice behind(struct slice text, const char *mark)
{
	const char *at = memmem(text.p, text.n, mark, strlen(mark));
	struct slice rest = text;

	if (at) {
		rest.p = at + strlen(mark);
		rest.n -= (size_t)(rest.p - text.p);
	}
	return rest;
}

void template_fill(struct buf *out, struct slice template, template_mark *fill, const void *ctx)
{
	struct slice rest = template;
	const char *open, *shut;

	while ((open = memmem(rest.p, rest.n, "{{", 2)) &&
	       (shut = memmem(open, rest.n - (size_t)(open - rest.p), "}}", 2))) {
		struct slice name = { open + 2, (size_t)(shut - open - 2) };

		buf_add(out, rest.p, (size_t)(open - rest.p));
		rest = behind(rest, "}}");
		if (slice_is(name, "head"))
			template_fill(out, WEB_FILE(web_head_html), fill, ctx);
		if (!fill(out, name, ctx))
			rest = behind(rest, "{{end}}");
	}
	buf_add(out, rest.p, rest.n);
}
