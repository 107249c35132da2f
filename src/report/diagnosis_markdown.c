/* diagnosis_markdown.c - the diagnosis to paste into an issue or a wiki, with its path as a Mermaid block. */
#include "report/diagnosis_words.h"
#include "report/fleet.h"
#include "report/markdown.h"
#include "report/mermaid.h"
#include "report/report.h"
#include "report/unjudged.h"

static void put_evidence(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	struct buf sentence = { 0 };

	for (size_t i = 0; i < d->n_evidence; i++) {
		if (!evidence_speaks_for(d, &d->evidence[i]))
			continue;
		buf_rewind(&sentence);
		evidence_sentence(&sentence, &d->evidence[i], lang);
		buf_str(out, "- ");
		md_text(out, buf_text(&sentence));
		buf_char(out, '\n');
	}
	buf_free_into(&sentence, out);
}

static void put_ruled_out(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	struct buf why = { 0 };

	for (int a = 0; a < ANSWER_COUNT; a++) {
		buf_rewind(&why);
		if (!ruled_out_words(&why, d, (enum answer_id)a, lang))
			continue;
		buf_str(out, "- ");
		md_text(out, answer_title((enum answer_id)a, lang));
		buf_str(out, text(TEXT_COLON, lang));
		md_text(out, buf_text(&why));
		buf_char(out, '\n');
	}
	buf_free_into(&why, out);
}

static void put_causes(struct buf *out, const struct diagnosis *d, enum text_id heading, const enum cause_id *cause,
		       size_t n, enum lang lang)
{
	if (n)
		md_heading(out, 2, text(heading, lang));
	for (size_t i = 0; i < n; i++) {
		buf_str(out, "- ");
		md_text(out, cause_specs[cause[i]].title[lang]);
		buf_str(out, text(TEXT_COLON, lang));
		md_text(out, fix_words(d, cause[i], lang));
		buf_char(out, '\n');
	}
}

static void put_fix(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	const struct cause_spec *cause = &cause_specs[d->cause];
	struct buf gain = { 0 };

	md_heading(out, 2, text(TEXT_DIAGNOSIS_FIX, lang));
	buf_str(out, "**");
	md_text(out, fix_words(d, d->cause, lang));
	buf_str(out, "**\n");
	if (cause_is_bad(cause->kind)) {
		gain_words(&gain, d, lang);
		buf_printf(out, "\n| %s | %s | %s |\n|---|---|---|\n| ", text(TEXT_DIAGNOSIS_GAIN, lang),
			   text(TEXT_DIAGNOSIS_BASIS, lang), text(TEXT_DIAGNOSIS_DIFFICULTY, lang));
		md_text(out, buf_text(&gain));
		buf_str(out, " | ");
		md_text(out, basis_words(d, lang));
		buf_str(out, " | ");
		difficulty_stars(out, cause->difficulty);
		buf_str(out, " |\n");
	}
	buf_free_into(&gain, out);
}

static void put_line(void *ctx, const char *words, enum verdict verdict)
{
	(void)verdict;
	buf_str(ctx, "- ");
	md_text(ctx, words);
	buf_char(ctx, '\n');
}

static void put_unjudged(struct buf *out, const struct findings *f, enum lang lang)
{
	struct buf line = { 0 };

	if (!f->n_unjudged)
		return;
	unjudged_text(&line, f->unjudged, f->n_unjudged, lang);
	buf_str(out, "- ");
	md_text(out, buf_text(&line));
	buf_char(out, '\n');
	buf_free_into(&line, out);
}

static void put_rest(struct buf *out, const struct findings *f, const struct diagnosis *d, enum lang lang)
{
	put_causes(out, d, TEXT_DIAGNOSIS_ALSO, d->also, d->n_also, lang);
	put_causes(out, d, TEXT_DIAGNOSIS_ADVICE, d->advice, d->n_advice, lang);
	if (d->n_missing || f->n_unjudged)
		md_heading(out, 2, text(TEXT_DIAGNOSIS_MISSING, lang));
	for (size_t i = 0; i < d->n_missing; i++) {
		buf_str(out, "- ");
		md_text(out, evidence_specs[d->missing[i]].text[lang]);
		buf_char(out, '\n');
	}
	put_unjudged(out, f, lang);
}

void report_diagnosis_markdown(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	const struct diagnosis *d = &f->judgement->diagnosis;
	enum lang lang = opts->lang;

	md_heading(out, 1, cause_specs[d->cause].title[lang]);
	md_text(out, cause_specs[d->cause].meaning[lang]);
	buf_str(out, " (");
	text_fill(out, lang, TEXT_DIAGNOSIS_CONFIDENCE, text(confidence_text(d->confidence), lang));
	buf_str(out, ")\n");
	md_heading(out, 2, text(TEXT_DIAGNOSIS_EVIDENCE, lang));
	put_evidence(out, d, lang);
	put_fix(out, d, lang);
	if (f->n_instances > 1)
		md_heading(out, 2, text(TEXT_FLEET_CAUSES, lang));
	out->failed |= !fleet_causes_each(f, lang, put_line, out);
	md_heading(out, 2, text(TEXT_DIAGNOSIS_RULED_OUT, lang));
	put_ruled_out(out, d, lang);
	put_rest(out, f, d, lang);
	md_heading(out, 2, text(TEXT_DIAGNOSIS_TREE, lang));
	buf_str(out, "```mermaid\n");
	mermaid_tree(out, d, lang);
	buf_str(out, "```\n");
}
