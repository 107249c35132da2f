/* actions.c - what was done about alarms: a sentence from acts.def and text.def, and members of a JSON object. */
#include "report/actions.h"

#include "report/terminal.h"
#include "spec/text.h"

static void list_acts(struct buf *out, const struct action_counts *c, enum lang lang)
{
	const char *comma = "";

	for (int i = 0; i < ACT_COUNT; i++) {
		char n[TERM_TEXT];

		if (!c->of[i])
			continue;
		buf_str(out, comma);
		text_fill(out, lang, TEXT_ACTIONS_TIMES, act_specs[i].label[lang], term_count(n, c->of[i]));
		comma = text(TEXT_ACTIONS_COMMA, lang);
	}
}

void actions_text(struct buf *out, const struct action_counts *c, enum lang lang)
{
	struct buf list = { 0 };
	char n[TERM_TEXT];

	if (!actions_total(c))
		return;
	list_acts(&list, c, lang);
	text_fill(out, lang, TEXT_ACTIONS, buf_text(&list));
	buf_free_into(&list, out);
	if (c->taken_back)
		text_fill(out, lang, TEXT_ACTIONS_TAKEN_BACK, term_count(n, c->taken_back));
	if (c->saved)
		text_fill(out, lang, TEXT_ACTIONS_SAVED, term_count(n, c->saved));
}

void actions_json(struct json *out, const struct action_counts *c)
{
	jw_object(out);
	jw_put_u64(out, "total", actions_total(c));
	for (int i = 0; i < ACT_COUNT; i++)
		if (c->of[i])
			jw_put_u64(out, act_specs[i].id, c->of[i]);
	jw_put_u64(out, "tokens_taken_back", c->taken_back);
	jw_put_u64(out, "tokens_saved", c->saved);
	jw_end(out);
}
