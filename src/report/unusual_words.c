/* unusual_words.c - moments unlike those before them: as sentences, for the terminal, the page and as JSON. */
#include "report/unusual_words.h"

#include "base/clock.h"
#include "report/markdown.h"
#include "report/table.h"

#include <math.h>
#include <stdio.h>

enum { INDENT = 2, BELOW = 4, MOST_POWER = 9 };

static enum text_id sentence_of(enum unusual_sign sign)
{
	static const enum text_id sentences[UNUSUAL_SIGNS] = {
		[UNUSUAL_LEVEL] = TEXT_UNUSUAL_LEVEL,
		[UNUSUAL_WIDER] = TEXT_UNUSUAL_WIDER,
		[UNUSUAL_NARROWER] = TEXT_UNUSUAL_NARROWER,
		[UNUSUAL_STUCK] = TEXT_UNUSUAL_STUCK,
		[UNUSUAL_TIME_OF_DAY] = TEXT_UNUSUAL_TIME_OF_DAY,
	};

	return sentences[sign];
}

/* One metric of a moment, in a sentence. */
static void unusual_words(struct buf *out, const struct departure *d, const struct departed *of, enum lang lang)
{
	char value[TERM_TEXT], usual[TERM_TEXT], lasted[TERM_TEXT], times[TERM_TEXT];
	double power = floor(fmin(of->rarity, MOST_POWER));

	if (of->beyond > 0) {
		char share[TERM_TEXT];

		snprintf(share, sizeof share, "%.0f %%", 100 * of->beyond);
		text_fill(out, lang, TEXT_UNUSUAL_BEYOND, metric_specs[of->metric].label[lang],
			  term_value(value, of->metric, of->value), share, term_value(usual, of->metric, of->usual));
		return;
	}
	text_fill(out, lang, sentence_of(of->sign), metric_specs[of->metric].label[lang],
		  term_value(value, of->metric, of->value), term_value(usual, of->metric, of->usual));
	if (d->minute)
		text_fill(out, lang, TEXT_UNUSUAL_MINUTE_RATE, term_count(times, (uint64_t)pow(10, power)));
	else
		text_fill(out, lang, TEXT_UNUSUAL_RATE, term_lasted(lasted, d->to_us - d->from_us),
			  term_count(times, (uint64_t)pow(10, power)));
}

void text_unusual(struct term *t, const struct findings *f, size_t most)
{
	const size_t n = most && most < f->n_departures ? most : f->n_departures;
	char when[TIME_TEXT_BYTES], clean[TERM_TEXT];
	struct buf words = { 0 };

	if (f->n_departures || f->instances_unforeseen)
		term_heading(t, TEXT_UNUSUAL_TITLE, NULL);
	for (size_t i = 0; i < n; i++) {
		const struct departure *d = &f->departure[i];

		time_format(when, d->from_us);
		term_left(t, TINT_PLAIN, "", INDENT);
		term_put(t, TINT_BOLD, when);
		if (d->instance) {
			term_put(t, TINT_DIM, "  ");
			term_put(t, TINT_DIM, term_clean(clean, t, instance_shown(d->instance), t->columns / 2, true));
		}
		term_newline(t);
		for (size_t k = 0; k < d->n; k++) {
			buf_rewind(&words);
			unusual_words(&words, d, &d->of[k], t->lang);
			term_left(t, TINT_PLAIN, "", BELOW);
			term_wrap(t, TINT_PLAIN, buf_text(&words), BELOW);
			term_newline(t);
		}
	}
	term_more(t, INDENT, TEXT_UNUSUAL_MORE, f->n_departures - n);
	term_more(t, INDENT, TEXT_UNUSUAL_LEFT_OUT, f->departures_left_out);
	term_more(t, INDENT, TEXT_UNUSUAL_UNSEEN, f->instances_unforeseen);
	buf_free_into(&words, t->out);
}

static void page_row(struct buf *out, const struct page *p, const struct departure *d)
{
	struct buf words = { 0 };

	buf_str(out, "<tr><td class=\"nowrap\">");
	put_time(out, d->from_us);
	buf_str(out, "</td>");
	if (p->f->instances_total > 1)
		table_log_text(out, instance_shown(d->instance));
	buf_str(out, "<td>");
	for (size_t k = 0; k < d->n; k++) {
		buf_rewind(&words);
		unusual_words(&words, d, &d->of[k], p->lang);
		buf_str(out, k ? "<br>" : "");
		put_text(out, buf_slice(&words));
	}
	buf_str(out, "</td></tr>\n");
	buf_free_into(&words, out);
}

static void page_moments(struct buf *out, const struct page *p)
{
	buf_str(out, "<p class=\"note\">");
	put_str(out, words(p, TEXT_UNUSUAL_NOTE));
	buf_str(out, "</p>\n");
	table_begin(out, words(p, TEXT_UNUSUAL_TITLE));
	table_head_words(out, p, TEXT_PAGE_AT, false);
	if (p->f->instances_total > 1)
		table_head_words(out, p, TEXT_PAGE_INSTANCE, false);
	table_head_words(out, p, TEXT_UNUSUAL_WHAT, false);
	table_body(out);
	for (size_t i = 0; i < p->f->n_departures; i++)
		page_row(out, p, &p->f->departure[i]);
	table_end(out);
	if (p->f->departures_left_out)
		table_note(out, p, TEXT_UNUSUAL_LEFT_OUT, p->f->departures_left_out, 0);
}

void page_unusual(struct buf *out, const struct page *p)
{
	if (!p->f->n_departures && !p->f->instances_unforeseen)
		return;
	buf_str(out, "<h3>");
	put_str(out, words(p, TEXT_UNUSUAL_TITLE));
	buf_str(out, "</h3>\n");
	if (p->f->n_departures)
		page_moments(out, p);
	if (p->f->instances_unforeseen)
		table_note(out, p, TEXT_UNUSUAL_UNSEEN, p->f->instances_unforeseen, 0);
}

/* A moment: when, whose, and what was unlike before. */
static void moment_markdown(struct buf *out, const struct findings *f, const struct departure *d, enum lang lang)
{
	char when[TIME_TEXT_BYTES];
	struct buf words = { 0 };

	time_format(when, d->from_us);
	buf_str(&words, when);
	if (f->instances_total > 1 && d->instance)
		buf_printf(&words, "  %s", instance_shown(d->instance));
	for (size_t k = 0; k < d->n; k++) {
		buf_str(&words, k ? "; " : "  ");
		unusual_words(&words, d, &d->of[k], lang);
	}
	buf_str(out, "- ");
	md_text(out, words.p ? words.p : "");
	buf_char(out, '\n');
	buf_free_into(&words, out);
}

static void count_markdown(struct buf *out, enum text_id id, uint64_t n, enum lang lang)
{
	char count[TERM_TEXT];
	struct buf words = { 0 };

	if (!n)
		return;
	text_fill(&words, lang, id, term_count(count, n));
	buf_char(out, '\n');
	md_text(out, words.p ? words.p : "");
	buf_char(out, '\n');
	buf_free_into(&words, out);
}

void unusual_markdown(struct buf *out, const struct findings *f, enum lang lang)
{
	if (!f->n_departures && !f->instances_unforeseen)
		return;
	md_heading(out, 2, text(TEXT_UNUSUAL_TITLE, lang));
	for (size_t i = 0; i < f->n_departures; i++)
		moment_markdown(out, f, &f->departure[i], lang);
	count_markdown(out, TEXT_UNUSUAL_LEFT_OUT, f->departures_left_out, lang);
	count_markdown(out, TEXT_UNUSUAL_UNSEEN, f->instances_unforeseen, lang);
}

static void put_departed(struct json *out, const struct departed *of)
{
	jw_object(out);
	jw_put_text(out, "metric", metric_specs[of->metric].id);
	jw_put_double(out, "value", metric_as_logged(of->metric, of->value));
	jw_put_double(out, "before", metric_as_logged(of->metric, of->usual));
	jw_put_text(out, "sign", of->beyond > 0 ? "beyond" : unusual_sign_ids[of->sign]);
	if (of->beyond > 0)
		jw_put_digits(out, "share", of->beyond, 3);
	else
		jw_put_decimal(out, "once_in", pow(10, fmin(of->rarity, MOST_POWER)), 0);
	jw_end(out);
}

static void put_moments(struct json *out, const struct findings *f)
{
	jw_put_array(out, "unusual");
	for (size_t i = 0; i < f->n_departures; i++) {
		const struct departure *d = &f->departure[i];

		jw_object(out);
		jw_key(out, "from");
		jw_time(out, d->from_us);
		jw_key(out, "to");
		jw_time(out, d->to_us);
		if (d->instance)
			jw_put_known_text(out, "instance", d->instance);
		jw_put_array(out, "metrics");
		for (size_t k = 0; k < d->n; k++)
			put_departed(out, &d->of[k]);
		jw_end(out);
		jw_end(out);
	}
	jw_end(out);
}

void unusual_json(struct json *out, const struct findings *f)
{
	if (f->n_departures) {
		put_moments(out, f);
		jw_put_u64(out, "unusual_left_out", f->departures_left_out);
	}
	if (f->instances_unforeseen)
		jw_put_u64(out, "unusual_instances_left_out", f->instances_unforeseen);
}
