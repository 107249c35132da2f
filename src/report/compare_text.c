/* compare_text.c - a comparison for a terminal, and as Markdown. */
#include "report/compare.h"

#include "report/terminal.h"
#include "spec/text.h"

#include <math.h>

enum { INDENT = 2, VALUE = 8, CHANGE = 9, INTERVAL = 18, WORD = 9 };

static enum tint tint_of(enum difference_verdict verdict)
{
	switch (verdict) {
	case DIFFERENCE_BETTER:
		return TINT_GOOD;
	case DIFFERENCE_WORSE:
		return TINT_BAD;
	case DIFFERENCE_HIGHER:
	case DIFFERENCE_LOWER:
	case DIFFERENCE_IN_RUNS:
		return TINT_WARN;
	default:
		return TINT_PLAIN;
	}
}

static void put_verdict(struct term *t, const struct comparison *c)
{
	struct buf sentence = { 0 };

	term_put(t, tint_of(c->verdict), t->ascii ? "* " : "\xe2\x97\x8f ");
	term_put(t, tint_of(c->verdict), compare_headline(c, t->lang));
	term_put(t, TINT_PLAIN, "  ");
	compare_sentence(&sentence, c, t->lang);
	if (sentence.p)
		term_wrap(t, TINT_PLAIN, sentence.p, t->at);
	buf_free_into(&sentence, t->out);
	term_newline(t);
}

static void put_wrapped(struct term *t, enum tint tint, enum text_id id, const char *const *args)
{
	term_say(t, tint, INDENT, id, args);
	term_newline(t);
}

static void put_side(struct term *t, const struct comparison *c, const struct compare_input *in, int side)
{
	char shown[TERM_TEXT];
	struct buf line = { 0 }, clean = { 0 }; /* it holds the name of a file */

	term_indent(t, INDENT);
	term_put(t, TINT_BOLD, side ? "B  " : "A  ");
	term_put(t, TINT_PLAIN, term_clean(shown, t, in->name[side], t->columns - t->at, true));
	term_newline(t);
	compare_side_words(&line, &c->side[side], in->findings[side], t->lang);
	term_left(t, TINT_PLAIN, "", INDENT + 3);
	term_clean_all(&clean, t, buf_text(&line));
	if (clean.p)
		term_wrap(t, TINT_DIM, clean.p, INDENT + 3);
	buf_free_into(&line, t->out);
	buf_free_into(&clean, t->out);
	term_newline(t);
}

static void put_unlike(struct term *t, const struct compare_input *in)
{
	struct buf words = { 0 }, clean = { 0 }; /* it holds names of the log's */

	compare_unlike(&words, in, t->lang);
	if (words.used) {
		term_clean_all(&clean, t, buf_text(&words));
		term_left(t, TINT_PLAIN, "", INDENT);
		term_wrap(t, TINT_WARN, buf_text(&clean), INDENT);
		term_newline(t);
	}
	buf_free_into(&words, t->out);
	buf_free_into(&clean, t->out);
}

static void put_input(struct term *t, const struct comparison *c, const struct compare_input *in)
{
	char a[TERM_TEXT], b[TERM_TEXT];
	const char *const units[] = { term_count(a, c->side[0].units), term_count(b, c->side[1].units) };

	term_heading(t, TEXT_COMPARE_INPUT, NULL);
	put_side(t, c, in, 0);
	put_side(t, c, in, 1);
	put_unlike(t, in);
	put_wrapped(t, TINT_DIM, c->by_run ? TEXT_COMPARE_BY_RUN : TEXT_COMPARE_BY_BLOCK, units);
}

static void put_value(struct term *t, enum metric_id m, double value)
{
	char v[TERM_TEXT];

	term_right(t, TINT_PLAIN, strcmp(metric_specs[m].unit, "bytes") ? term_number(v, value) : term_bytes(v, value),
		   VALUE);
}

static void put_row(struct term *t, const struct difference *d)
{
	char v[TERM_TEXT];
	const struct estimate *median = &d->of[COMPARED_MEDIAN];
	size_t label = REPORT_COLUMNS - INDENT - 2 * VALUE - 2 * CHANGE - INTERVAL - WORD;

	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, metric_specs[d->metric].label[t->lang], label);
	put_value(t, d->metric, median->a);
	put_value(t, d->metric, median->b);
	term_right(t, tint_of(d->median), compare_percent(v, median->relative), CHANGE);
	term_right(t, TINT_DIM, compare_interval(v, median, t->ascii), INTERVAL);
	term_right(t, tint_of(d->p95), compare_percent(v, d->of[COMPARED_P95].relative), CHANGE);
	term_right(t, tint_of(d->median), compare_word(d, d->median, t->lang), WORD);
	term_newline(t);
}

/* For prefill, the metrics that a user notices; for other steps, the metrics that are not constant. */
static bool is_shown(const struct difference *d)
{
	bool constant = d->a.min == d->a.max && d->b.min == d->b.max && d->a.min == d->b.min;

	return !constant && (d->phase != PHASE_PREFILL || metric_specs[d->metric].group == METRIC_PERFORMANCE);
}

static void put_phase(struct term *t, const struct comparison *c, enum phase phase, enum text_id title)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++) {
		if (c->row[i].phase != phase || !is_shown(&c->row[i]))
			continue;
		if (!any) {
			term_heading(t, title, term_word(t, TEXT_COMPARE_MEDIANS));
			term_left(t, TINT_PLAIN, "", REPORT_COLUMNS - 2 * VALUE - 2 * CHANGE - INTERVAL - WORD);
			term_right(t, TINT_DIM, "A", VALUE);
			term_right(t, TINT_DIM, "B", VALUE);
			term_head(t, TEXT_COMPARE_CHANGE, CHANGE);
			term_head(t, TEXT_COMPARE_INTERVAL, INTERVAL);
			term_head(t, TEXT_COMPARE_P95, CHANGE);
			term_newline(t);
		}
		any = true;
		put_row(t, &c->row[i]);
	}
}

/* A row that is shown has an interval without 0, and is called unclear all the same. */
static bool is_one_of_many(const struct comparison *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->row[i].reason == REASON_MANY && is_shown(&c->row[i]))
			return true;
	return false;
}

void compare_text(struct buf *out, const struct comparison *c, const struct compare_input *in,
		  const struct report_options *opts)
{
	struct term t = term_begin(out, opts);

	put_verdict(&t, c);
	put_input(&t, c, in);
	put_phase(&t, c, PHASE_DECODE, TEXT_TERM_DECODE);
	put_phase(&t, c, PHASE_PREFILL, TEXT_TERM_PREFILL);
	put_phase(&t, c, PHASE_UNKNOWN, TEXT_COMPARE_ALL_STEPS);
	if (is_one_of_many(c))
		put_wrapped(&t, TINT_DIM, TEXT_COMPARE_WHY_MANY, NULL);
}

/* --- Markdown -------------------------------------------------------------------------- */

/* Text that a log or the command line supplied: nothing of it is markup. */
static void put_plain(struct buf *out, const char *name)
{
	for (; *name; name++) {
		if (strchr("\\`*_{}[]<>()#+-!|~&", *name))
			buf_char(out, '\\');
		buf_char(out, (unsigned char)*name < 0x20 ? ' ' : *name);
	}
}

static void put_markdown_row(struct buf *out, const struct difference *d, enum lang lang)
{
	char a[TERM_TEXT], b[TERM_TEXT], change[TERM_TEXT], interval[TERM_TEXT], p95[TERM_TEXT];
	const struct estimate *median = &d->of[COMPARED_MEDIAN];

	buf_printf(out, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", metric_specs[d->metric].label[lang],
		   term_value(a, d->metric, median->a), term_value(b, d->metric, median->b),
		   compare_percent(change, median->relative), compare_interval(interval, median, false),
		   compare_percent(p95, d->of[COMPARED_P95].relative), compare_effect(d->cliffs_delta, lang),
		   compare_word(d, d->median, lang));
}

static void put_markdown_phase(struct buf *out, const struct comparison *c, enum phase phase, enum text_id title,
			       enum lang lang)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++) {
		if (c->row[i].phase != phase || !is_shown(&c->row[i]))
			continue;
		if (!any)
			buf_printf(out,
				   "\n| %s | %s | %s | %s | %s | %s | %s | |\n|---|---:|---:|---:|---:|---:|---|---|\n",
				   text(title, lang), text(TEXT_COMPARE_MEDIAN_A, lang),
				   text(TEXT_COMPARE_MEDIAN_B, lang), text(TEXT_COMPARE_CHANGE, lang),
				   text(TEXT_COMPARE_INTERVAL, lang), text(TEXT_COMPARE_P95, lang),
				   text(TEXT_COMPARE_EFFECT, lang));
		any = true;
		put_markdown_row(out, &c->row[i], lang);
	}
}

void compare_markdown(struct buf *out, const struct comparison *c, const struct compare_input *in,
		      const struct report_options *opts)
{
	static const char letters[2] = "AB";
	struct buf side = { 0 }, clean = { 0 };

	buf_printf(out, "**%s** ", compare_headline(c, opts->lang));
	compare_sentence(out, c, opts->lang);
	buf_str(out, "\n\n");
	for (int i = 0; i < 2; i++) {
		buf_printf(out, "- %c: ", letters[i]);
		put_plain(out, in->name[i]);
		compare_side_words(&side, &c->side[i], in->findings[i], opts->lang);
		put_plain(&clean, buf_text(&side));
		text_fill(out, opts->lang, TEXT_IN_BRACKETS, buf_text(&clean));
		buf_char(out, '\n');
		buf_free_into(&side, out);
		buf_free_into(&clean, out);
	}
	compare_unlike(&side, in, opts->lang);
	put_plain(&clean, buf_text(&side));
	if (side.used)
		buf_printf(out, "\n%s\n", buf_text(&clean));
	buf_free_into(&side, out);
	buf_free_into(&clean, out);
	put_markdown_phase(out, c, PHASE_DECODE, TEXT_TERM_DECODE, opts->lang);
	put_markdown_phase(out, c, PHASE_PREFILL, TEXT_TERM_PREFILL, opts->lang);
	put_markdown_phase(out, c, PHASE_UNKNOWN, TEXT_COMPARE_ALL_STEPS, opts->lang);
	if (is_one_of_many(c))
		buf_printf(out, "\n%s\n", text(TEXT_COMPARE_WHY_MANY, opts->lang));
}
