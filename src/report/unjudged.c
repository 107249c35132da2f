/* unjudged.c - a sentence of text.def for each reason, and a list for programs. */
#include "report/unjudged.h"

#include "report/terminal.h"
#include "spec/text.h"

static void add_range(struct buf *out, const struct unjudged_rule *u, enum lang lang)
{
	char above[TERM_TEXT], at_most[TERM_TEXT];

	term_count(above, u->vocab_above);
	term_count(at_most, u->vocab_at_most);
	if (u->vocab_at_most == UINT64_MAX)
		text_fill(out, lang, TEXT_UNJUDGED_ABOVE, above);
	else if (!u->vocab_above)
		text_fill(out, lang, TEXT_UNJUDGED_AT_MOST, at_most);
	else
		text_fill(out, lang, TEXT_UNJUDGED_BETWEEN, above, at_most);
}

static bool same_reason(const struct unjudged_rule *a, const struct unjudged_rule *b)
{
	return a->lacks == b->lacks && a->vocab_above == b->vocab_above && a->vocab_at_most == b->vocab_at_most;
}

static bool is_first(const struct unjudged_rule *u, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (same_reason(&u[k], &u[i]))
			return false;
	return true;
}

/* Rule i and those after it that judged nothing for the same reason, and the reason. */
static void add_group(struct buf *out, const struct unjudged_rule *u, size_t i, size_t n, enum lang lang)
{
	struct buf names = { 0 }, reason = { 0 };

	for (size_t k = i; k < n; k++)
		if (same_reason(&u[k], &u[i]))
			buf_printf(&names, "%s%s", names.used ? text(TEXT_COMMA, lang) : "", u[k].rule);
	if (u[i].lacks == METRIC_COUNT)
		add_range(&reason, &u[i], lang);
	else
		buf_str(&reason, metric_specs[u[i].lacks].id);
	text_fill(out, lang, TEXT_UNJUDGED_RULES, buf_text(&names), buf_text(&reason));
	buf_free_into(&names, out);
	buf_free_into(&reason, out);
}

static void add_sentence(struct buf *out, enum text_id sentence, bool of_metrics, const struct unjudged_rule *u,
			 size_t n, enum lang lang)
{
	struct buf groups = { 0 };

	for (size_t i = 0; i < n; i++) {
		if ((u[i].lacks != METRIC_COUNT) != of_metrics || !is_first(u, i))
			continue;
		if (groups.used)
			buf_str(&groups, text(TEXT_SEMICOLON, lang));
		add_group(&groups, u, i, n, lang);
	}
	if (groups.used && out->used) /* a second sentence */
		buf_str(out, text(TEXT_BLANK, lang));
	if (groups.used)
		text_fill(out, lang, sentence, buf_text(&groups));
	buf_free_into(&groups, out);
}

void unjudged_text(struct buf *out, const struct unjudged_rule *u, size_t n, enum lang lang)
{
	struct buf said = { 0 };

	add_sentence(&said, TEXT_UNJUDGED_METRIC, true, u, n, lang);
	add_sentence(&said, TEXT_UNJUDGED_VOCAB, false, u, n, lang);
	buf_add(out, said.p, said.used);
	buf_free_into(&said, out);
}

static void put_range(struct json *out, const struct unjudged_rule *u)
{
	jw_put_object(out, "vocab_size");
	if (u->vocab_above)
		jw_put_u64(out, "above", u->vocab_above);
	if (u->vocab_at_most != UINT64_MAX)
		jw_put_u64(out, "at_most", u->vocab_at_most);
	jw_end(out);
}

void unjudged_json(struct json *out, const struct unjudged_rule *u, size_t n)
{
	jw_put_array(out, "unjudged");
	for (size_t i = 0; i < n; i++) {
		jw_object(out);
		jw_put_text(out, "rule", u[i].rule);
		if (u[i].lacks == METRIC_COUNT)
			put_range(out, &u[i]);
		else
			jw_put_text(out, "metric", metric_specs[u[i].lacks].id);
		jw_end(out);
	}
	jw_end(out);
}
