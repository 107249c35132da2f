/* diagnosis_text.c - the diagnosis for a terminal: the cause first, then why, then what to do. */
#include "report/diagnosis_words.h"
#include "report/fleet.h"
#include "report/report.h"
#include "report/terminal.h"
#include "report/unjudged.h"
#include "report/verdict_text.h"

enum { INDENT = 2, PATH_COLUMN = 52 };

static enum tint tint_of(enum cause_kind kind)
{
	return kind == CAUSE_IS_FINE        ? TINT_GOOD
	       : kind == CAUSE_IS_UNDECIDED ? TINT_DIM
	       : kind == CAUSE_IS_GRAVE     ? TINT_BAD
					    : TINT_WARN;
}

/* A sentence that may hold a log's text, behind a mark. */
static void put_item(struct term *t, enum tint tint, const char *mark, const struct buf *sentence)
{
	struct buf clean = { 0 };

	term_indent(t, INDENT);
	term_put(t, tint, mark);
	term_put(t, TINT_PLAIN, " ");
	term_clean_all(&clean, t, buf_text(sentence));
	term_wrap(t, TINT_PLAIN, buf_text(&clean), t->at);
	term_newline(t);
	t->out->failed |= sentence->failed;
	buf_free_into(&clean, t->out);
}

static void put_cause(struct term *t, const struct diagnosis *d)
{
	const struct cause_spec *cause = &cause_specs[d->cause];
	struct buf sure = { 0 }, line = { 0 };

	term_put(t, tint_of(cause->kind), cause->title[t->lang]);
	text_fill(&sure, t->lang, TEXT_DIAGNOSIS_CONFIDENCE, term_word(t, confidence_text(d->confidence)));
	text_fill(&line, t->lang, TEXT_DIAGNOSIS_IN_BRACKETS, buf_text(&sure));
	term_put(t, TINT_DIM, buf_text(&line));
	term_newline(t);
	term_wrap(t, TINT_PLAIN, cause->meaning[t->lang], INDENT);
	term_newline(t);
	buf_free_into(&sure, t->out);
	buf_free_into(&line, t->out);
}

static bool has_evidence(const struct diagnosis *d)
{
	for (size_t i = 0; i < d->n_evidence; i++)
		if (evidence_speaks_for(d, &d->evidence[i]))
			return true;
	return false;
}

static void put_evidence(struct term *t, const struct diagnosis *d)
{
	struct buf sentence = { 0 };

	if (!has_evidence(d))
		return;
	term_heading(t, TEXT_DIAGNOSIS_EVIDENCE, NULL);
	for (size_t i = 0; i < d->n_evidence; i++) {
		if (!evidence_speaks_for(d, &d->evidence[i]))
			continue;
		buf_rewind(&sentence);
		evidence_sentence(&sentence, &d->evidence[i], t->lang);
		put_item(t, TINT_BOLD, t->ascii ? "-" : "•", &sentence);
	}
	buf_free_into(&sentence, t->out);
}

static void put_labelled(struct term *t, enum text_id label, const char *words)
{
	term_indent(t, INDENT);
	term_put(t, TINT_DIM, term_word(t, label));
	term_put(t, TINT_PLAIN, term_word(t, TEXT_COLON));
	term_wrap(t, TINT_PLAIN, words, t->at);
	term_newline(t);
}

static void put_fix(struct term *t, const struct diagnosis *d)
{
	const struct cause_spec *cause = &cause_specs[d->cause];
	struct buf words = { 0 };

	term_heading(t, TEXT_DIAGNOSIS_FIX, NULL);
	term_indent(t, INDENT);
	term_wrap(t, TINT_BOLD, fix_words(d, d->cause, t->lang), INDENT);
	term_newline(t);
	if (cause_is_bad(cause->kind)) {
		gain_words(&words, d, t->lang);
		put_labelled(t, TEXT_DIAGNOSIS_GAIN, buf_text(&words));
		put_labelled(t, TEXT_DIAGNOSIS_BASIS, basis_words(d, t->lang));
		buf_rewind(&words);
		if (t->ascii)
			buf_printf(&words, "%d / 5", cause->difficulty);
		else
			difficulty_stars(&words, cause->difficulty);
		put_labelled(t, TEXT_DIAGNOSIS_DIFFICULTY, buf_text(&words));
	}
	buf_free_into(&words, t->out);
}

static void put_path(struct term *t, const struct diagnosis *d)
{
	term_heading(t, TEXT_DIAGNOSIS_PATH, NULL);
	for (size_t i = 0; i < d->n_steps; i++) {
		bool last = i + 1 == d->n_steps;

		term_indent(t, INDENT);
		term_left(t, TINT_PLAIN, question_specs[d->step[i].question].text[t->lang], PATH_COLUMN);
		term_put(t, last ? TINT_BOLD : TINT_PLAIN, answer_specs[d->step[i].answer].text[t->lang]);
		term_newline(t);
	}
}

static void put_ruled_out(struct term *t, const struct diagnosis *d)
{
	struct buf why = { 0 }, line = { 0 };
	bool first = true;

	for (int a = 0; a < ANSWER_COUNT; a++) {
		buf_rewind(&why);
		buf_rewind(&line);
		if (!ruled_out_words(&why, d, (enum answer_id)a, t->lang))
			continue;
		if (first)
			term_heading(t, TEXT_DIAGNOSIS_RULED_OUT, NULL);
		first = false;
		buf_printf(&line, "%s%s%s", answer_title((enum answer_id)a, t->lang), term_word(t, TEXT_COLON),
			   buf_text(&why));
		put_item(t, TINT_GOOD, t->ascii ? "-" : "✓", &line);
	}
	buf_free_into(&why, t->out);
	buf_free_into(&line, t->out);
}

static void put_others(struct term *t, const struct diagnosis *d, enum text_id heading, const enum cause_id *cause,
		       size_t n)
{
	struct buf line = { 0 };

	if (n)
		term_heading(t, heading, NULL);
	for (size_t i = 0; i < n; i++) {
		buf_rewind(&line);
		buf_printf(&line, "%s%s%s", cause_specs[cause[i]].title[t->lang], term_word(t, TEXT_STOP_AND),
			   fix_words(d, cause[i], t->lang));
		put_item(t, heading == TEXT_DIAGNOSIS_ALSO ? TINT_WARN : TINT_DIM, "!", &line);
	}
	buf_free_into(&line, t->out);
}

static void put_missing(struct term *t, const struct findings *f, const struct diagnosis *d)
{
	struct evidence e = { .text = "" };
	struct buf line = { 0 };

	if (d->n_missing || f->n_unjudged)
		term_heading(t, TEXT_DIAGNOSIS_MISSING, NULL);
	for (size_t i = 0; i < d->n_missing; i++) {
		buf_rewind(&line);
		e.id = d->missing[i];
		evidence_sentence(&line, &e, t->lang);
		put_item(t, TINT_DIM, "?", &line);
	}
	buf_rewind(&line);
	unjudged_text(&line, f->unjudged, f->n_unjudged, t->lang);
	if (line.used)
		put_item(t, TINT_DIM, "?", &line);
	buf_free_into(&line, t->out);
}

void report_diagnosis_text(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	struct term t = term_begin(out, opts);
	const struct diagnosis *d = &f->judgement->diagnosis;

	verdict_line(&t, f);
	term_newline(&t);
	put_cause(&t, d);
	put_evidence(&t, d);
	put_fix(&t, d);
	fleet_causes_text(&t, f);
	put_path(&t, d);
	put_ruled_out(&t, d);
	put_others(&t, d, TEXT_DIAGNOSIS_ALSO, d->also, d->n_also);
	put_others(&t, d, TEXT_DIAGNOSIS_ADVICE, d->advice, d->n_advice);
	put_missing(&t, f, d);
}
