/* diagnosis_markdown.c - the diagnosis to paste into an issue or a wiki, with its path as a Mermaid block. */
#include "report/diagnosis_words.h"
#include "report/markdown.h"
#include "report/mermaid.h"
#include "report/report.h"

static void put_evidence(struct buf *out, const struct diagnosis *d, bool speaks_for, enum lang lang)
{
	struct buf sentence = { 0 };

	for (size_t i = 0; i < d->n_evidence; i++) {
		if (evidence_speaks_for(d, &d->evidence[i]) != speaks_for)
			continue;
		buf_clear(&sentence);
		evidence_sentence(&sentence, &d->evidence[i], lang);
		buf_str(out, "- ");
		if (!speaks_for) {
			md_text(out, answer_title(d->evidence[i].answer, lang));
			buf_str(out, lang == LANG_ZH ? ":" : ": ");
		}
		md_text(out, sentence.p ? sentence.p : "");
		buf_char(out, '\n');
	}
	buf_free(&sentence);
}

static void put_fix(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	const struct cause_spec *cause = &cause_specs[d->cause];
	struct buf gain = { 0 };

	md_heading(out, 2, text(TEXT_DIAGNOSIS_FIX, lang));
	buf_str(out, "**");
	md_text(out, cause->fix[lang]);
	buf_str(out, "**\n");
	if (cause->kind == CAUSE_IS_FAULT) {
		gain_words(&gain, d, lang);
		buf_printf(out, "\n| %s | %s | %s |\n|---|---|---|\n| ", text(TEXT_DIAGNOSIS_GAIN, lang),
			   text(TEXT_DIAGNOSIS_BASIS, lang), text(TEXT_DIAGNOSIS_DIFFICULTY, lang));
		md_text(out, gain.p ? gain.p : "");
		buf_str(out, " | ");
		md_text(out, cause->basis[lang]);
		buf_str(out, " | ");
		difficulty_stars(out, cause->difficulty);
		buf_str(out, " |\n");
	}
	out->failed |= gain.failed;
	buf_free(&gain);
}

static void put_rest(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	if (d->n_also)
		md_heading(out, 2, text(TEXT_DIAGNOSIS_ALSO, lang));
	for (size_t i = 0; i < d->n_also; i++) {
		buf_str(out, "- ");
		md_text(out, cause_specs[d->also[i]].title[lang]);
		buf_str(out, lang == LANG_ZH ? ":" : ": ");
		md_text(out, cause_specs[d->also[i]].fix[lang]);
		buf_char(out, '\n');
	}
	if (d->n_missing)
		md_heading(out, 2, text(TEXT_DIAGNOSIS_MISSING, lang));
	for (size_t i = 0; i < d->n_missing; i++) {
		buf_str(out, "- ");
		md_text(out, evidence_specs[d->missing[i]].text[lang]);
		buf_char(out, '\n');
	}
}

void report_diagnosis_markdown(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	const struct diagnosis *d = opts->diagnosis;
	enum lang lang = opts->lang;

	(void)f;
	md_heading(out, 1, cause_specs[d->cause].title[lang]);
	md_text(out, cause_specs[d->cause].meaning[lang]);
	buf_str(out, " (");
	md_filled(out, text(TEXT_DIAGNOSIS_CONFIDENCE, lang), text(confidence_text(d->confidence), lang));
	buf_str(out, ")\n");
	md_heading(out, 2, text(TEXT_DIAGNOSIS_EVIDENCE, lang));
	put_evidence(out, d, true, lang);
	put_fix(out, d, lang);
	md_heading(out, 2, text(TEXT_DIAGNOSIS_RULED_OUT, lang));
	put_evidence(out, d, false, lang);
	put_rest(out, d, lang);
	md_heading(out, 2, text(TEXT_DIAGNOSIS_TREE, lang));
	buf_str(out, "```mermaid\n");
	mermaid_tree(out, d, lang);
	buf_str(out, "```\n");
}
