/* diagnosis_text.c - the diagnosis for a terminal: the cause first, then why, then what to do. */
#include "report/diagnosis_words.h"
#include "report/report.h"
#include "report/terminal.h"

enum { INDENT = 2, PATH_COLUMN = 52 };

static enum tint tint_of(enum cause_kind kind)
{
	return kind == CAUSE_IS_FINE ? TINT_GOOD : kind == CAUSE_IS_FAULT ? TINT_BAD : TINT_WARN;
}

static const char *word(const struct term *t, enum text_id id)
{
	return text(id, t->lang);
}

/* A sentence that may hold a log's text, behind a mark. */
static void put_item(struct term *t, enum tint tint, const char *mark, const struct buf *sentence)
{
	struct buf clean = { 0 };

	term_left(t, TINT_PLAIN, "", INDENT);
	term_put(t, tint, mark);
	term_put(t, TINT_PLAIN, " ");
	term_clean_all(&clean, t, sentence->p ? sentence->p : "");
	term_wrap(t, TINT_PLAIN, clean.p ? clean.p : "", t->at);
	term_newline(t);
	t->out->failed |= sentence->failed || clean.failed;
	buf_free(&clean);
}

static void put_cause(struct term *t, const struct diagnosis *d)
{
	const struct cause_spec *cause = &cause_specs[d->cause];
	struct buf line = { 0 };

	term_put(t, tint_of(cause->kind), t->ascii ? "* " : "● ");
	term_put(t, tint_of(cause->kind), cause->title[t->lang]);
	buf_str(&line, "  (");
	term_fill(&line, t->lang, TEXT_DIAGNOSIS_CONFIDENCE, (const char *const[]){ word(t, confidence_text(d->confidence)) });
	buf_str(&line, ")");
	term_put(t, TINT_DIM, line.p ? line.p : "");
	term_newline(t);
	term_wrap(t, TINT_PLAIN, cause->meaning[t->lang], INDENT);
	term_newline(t);
	buf_free(&line);
}

/* Whether any evidence speaks for the cause (or against it). */
static bool has_evidence(const struct diagnosis *d, bool for_it)
{
	for (size_t i = 0; i < d->n_evidence; i++)
		if (evidence_speaks_for(d, &d->evidence[i]) == for_it)
			return true;
	return false;
}

static void put_evidence(struct term *t, const struct diagnosis *d)
{
	struct buf sentence = { 0 };

	if (!has_evidence(d, true))
		return;
	term_heading(t, TEXT_DIAGNOSIS_EVIDENCE, NULL);
	for (size_t i = 0; i < d->n_evidence; i++) {
		if (!evidence_speaks_for(d, &d->evidence[i]))
			continue;
		buf_clear(&sentence);
		evidence_sentence(&sentence, &d->evidence[i], t->lang);
		put_item(t, TINT_BOLD, t->ascii ? "-" : "•", &sentence);
	}
	buf_free(&sentence);
}

static void put_labelled(struct term *t, enum text_id label, const char *words)
{
	term_left(t, TINT_PLAIN, "", INDENT);
	term_put(t, TINT_DIM, word(t, label));
	term_put(t, TINT_PLAIN, ": ");
	term_wrap(t, TINT_PLAIN, words, t->at);
	term_newline(t);
}

static void put_fix(struct term *t, const struct diagnosis *d)
{
	const struct cause_spec *cause = &cause_specs[d->cause];
	struct buf words = { 0 };

	term_heading(t, TEXT_DIAGNOSIS_FIX, NULL);
	term_left(t, TINT_PLAIN, "", INDENT);
	term_wrap(t, TINT_BOLD, cause->fix[t->lang], INDENT);
	term_newline(t);
	if (cause->kind == CAUSE_IS_FAULT) {
		gain_words(&words, d, t->lang);
		put_labelled(t, TEXT_DIAGNOSIS_GAIN, words.p ? words.p : "");
		put_labelled(t, TEXT_DIAGNOSIS_BASIS, cause->basis[t->lang]);
		buf_clear(&words);
		if (t->ascii)
			buf_printf(&words, "%d / 5", cause->difficulty);
		else
			difficulty_stars(&words, cause->difficulty);
		put_labelled(t, TEXT_DIAGNOSIS_DIFFICULTY, words.p ? words.p : "");
	}
	t->out->failed |= words.failed;
	buf_free(&words);
}

static void put_path(struct term *t, const struct diagnosis *d)
{
	term_heading(t, TEXT_DIAGNOSIS_PATH, NULL);
	for (size_t i = 0; i < d->n_steps; i++) {
		bool last = i + 1 == d->n_steps;

		term_left(t, TINT_PLAIN, "", INDENT);
		term_left(t, TINT_PLAIN, question_specs[d->step[i].question].text[t->lang], PATH_COLUMN);
		term_put(t, last ? TINT_BOLD : TINT_PLAIN, answer_specs[d->step[i].answer].text[t->lang]);
		term_newline(t);
	}
}

static void put_ruled_out(struct term *t, const struct diagnosis *d)
{
	struct buf line = { 0 };

	if (!has_evidence(d, false))
		return;
	term_heading(t, TEXT_DIAGNOSIS_RULED_OUT, NULL);
	for (size_t i = 0; i < d->n_evidence; i++) {
		if (evidence_speaks_for(d, &d->evidence[i]))
			continue;
		buf_clear(&line);
		buf_printf(&line, "%s%s", answer_title(d->evidence[i].answer, t->lang), t->lang == LANG_ZH ? ":" : ": ");
		evidence_sentence(&line, &d->evidence[i], t->lang);
		put_item(t, TINT_GOOD, t->ascii ? "-" : "✓", &line);
	}
	buf_free(&line);
}

static void put_also(struct term *t, const struct diagnosis *d)
{
	struct buf line = { 0 };

	if (d->n_also)
		term_heading(t, TEXT_DIAGNOSIS_ALSO, NULL);
	for (size_t i = 0; i < d->n_also; i++) {
		buf_clear(&line);
		buf_printf(&line, "%s. %s", cause_specs[d->also[i]].title[t->lang], cause_specs[d->also[i]].fix[t->lang]);
		put_item(t, TINT_WARN, "!", &line);
	}
	buf_free(&line);
}

static void put_missing(struct term *t, const struct diagnosis *d)
{
	struct evidence e = { .text = "" };
	struct buf line = { 0 };

	if (d->n_missing)
		term_heading(t, TEXT_DIAGNOSIS_MISSING, NULL);
	for (size_t i = 0; i < d->n_missing; i++) {
		buf_clear(&line);
		e.id = d->missing[i];
		evidence_sentence(&line, &e, t->lang);
		put_item(t, TINT_DIM, "?", &line);
	}
	buf_free(&line);
}

void report_diagnosis_text(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	size_t columns = opts->columns > REPORT_COLUMNS ? opts->columns : REPORT_COLUMNS;
	struct term t = { .out = out, .lang = opts->lang, .color = opts->color, .ascii = opts->ascii, .columns = columns };

	(void)f;
	put_cause(&t, opts->diagnosis);
	put_evidence(&t, opts->diagnosis);
	put_fix(&t, opts->diagnosis);
	put_path(&t, opts->diagnosis);
	put_ruled_out(&t, opts->diagnosis);
	put_also(&t, opts->diagnosis);
	put_missing(&t, opts->diagnosis);
}
