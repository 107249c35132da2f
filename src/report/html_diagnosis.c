/* html_diagnosis.c - the diagnosis on the page: cause, evidence, fix, path, ruled-out causes, the tree, and the
 * background diagrams. */
#include "report/diagnosis_words.h"
#include "report/diagram.h"
#include "report/fleet.h"
#include "report/mermaid.h"
#include "report/page.h"

static enum tone tone_of(const struct diagnosis *d)
{
	switch (cause_specs[d->cause].kind) {
	case CAUSE_IS_FINE:
		return TONE_GOOD;
	case CAUSE_IS_UNDECIDED:
		return TONE_NONE;
	case CAUSE_IS_GRAVE:
		return TONE_BAD;
	case CAUSE_IS_FAULT:
		break;
	}
	return TONE_WARN;
}

static void put_words(struct buf *out, const struct page *p, enum text_id id)
{
	put_str(out, words(p, id));
}

static void put_sentence(struct buf *out, const struct page *p, const struct evidence *e)
{
	struct buf sentence = { 0 };

	evidence_sentence(&sentence, e, p->lang);
	put_text(out, buf_slice(&sentence));
	buf_free_into(&sentence, out);
}

static void put_cause(struct buf *out, const struct page *p, const struct diagnosis *d)
{
	const struct cause_spec *cause = &cause_specs[d->cause];

	buf_printf(out, "<div class=\"finding %s\">", tone_classes[tone_of(d)]);
	put_icon(out, tone_of(d));
	buf_str(out, "<div><h3>");
	put_str(out, cause->title[p->lang]);
	buf_str(out, " <span class=\"chip\">");
	put_filled(out, p, TEXT_DIAGNOSIS_CONFIDENCE,
		   (const char *[]){ words(p, confidence_text(d->confidence)), NULL });
	buf_str(out, "</span></h3><p>");
	put_str(out, cause->meaning[p->lang]);
	buf_str(out, "</p></div></div>\n");
}

static void put_evidence(struct buf *out, const struct page *p, const struct diagnosis *d)
{
	bool any = false;

	for (size_t i = 0; i < d->n_evidence; i++) {
		if (!evidence_speaks_for(d, &d->evidence[i]))
			continue;
		if (!any) {
			buf_str(out, "<h3>");
			put_words(out, p, TEXT_DIAGNOSIS_EVIDENCE);
			buf_str(out, "</h3><ul class=\"evidence\">\n");
		}
		any = true;
		buf_str(out, "<li>");
		put_sentence(out, p, &d->evidence[i]);
		buf_str(out, "</li>\n");
	}
	buf_str(out, any ? "</ul>\n" : "");
}

/* Each cause once, with why. */
static void put_ruled_out(struct buf *out, const struct page *p, const struct diagnosis *d)
{
	struct buf why = { 0 };
	bool any = false;

	for (int a = 0; a < ANSWER_COUNT; a++) {
		buf_rewind(&why);
		if (!ruled_out_words(&why, d, (enum answer_id)a, p->lang))
			continue;
		if (!any) {
			buf_str(out, "<h3>");
			put_words(out, p, TEXT_DIAGNOSIS_RULED_OUT);
			buf_str(out, "</h3><ul class=\"evidence out\">\n");
		}
		any = true;
		buf_str(out, "<li><b>");
		put_str(out, answer_title((enum answer_id)a, p->lang));
		buf_str(out, "</b> ");
		put_text(out, buf_slice(&why));
		buf_str(out, "</li>\n");
	}
	buf_str(out, any ? "</ul>\n" : "");
	buf_free_into(&why, out);
}

static void put_term(struct buf *out, const struct page *p, enum text_id name, const char *value)
{
	buf_str(out, "<div><dt>");
	put_words(out, p, name);
	buf_str(out, "</dt><dd>");
	put_str(out, value);
	buf_str(out, "</dd></div>\n");
}

static void put_difficulty(struct buf *out, const struct page *p, int difficulty)
{
	char digit[2] = { (char)('0' + difficulty), 0 };

	buf_str(out, "<div><dt>");
	put_words(out, p, TEXT_DIAGNOSIS_DIFFICULTY);
	buf_str(out, "</dt><dd><span aria-hidden=\"true\">");
	difficulty_stars(out, difficulty);
	buf_str(out, "</span><span class=\"sr\">");
	put_filled(out, p, TEXT_DIAGNOSIS_DIFFICULTY_OF, (const char *[]){ digit, NULL });
	buf_str(out, "</span></dd></div>\n");
}

static void put_fix(struct buf *out, const struct page *p, const struct diagnosis *d)
{
	const struct cause_spec *cause = &cause_specs[d->cause];
	struct buf gain = { 0 };

	buf_str(out, "<h3>");
	put_words(out, p, TEXT_DIAGNOSIS_FIX);
	buf_str(out, "</h3><p class=\"fix\">");
	put_str(out, fix_words(d, d->cause, p->lang));
	buf_str(out, "</p>\n");
	if (cause_is_bad(cause->kind)) {
		gain_words(&gain, d, p->lang);
		buf_str(out, "<dl class=\"facts\">");
		put_term(out, p, TEXT_DIAGNOSIS_GAIN, buf_text(&gain));
		put_difficulty(out, p, cause->difficulty);
		put_term(out, p, TEXT_DIAGNOSIS_BASIS, basis_words(d, p->lang));
		buf_str(out, "</dl>\n");
	}
	buf_free_into(&gain, out);
}

static void put_line(void *ctx, const char *words, enum verdict verdict)
{
	(void)verdict;
	buf_str(ctx, "<li>");
	put_str(ctx, words);
	buf_str(ctx, "</li>\n");
}

/* Of a log of several instances: how many have which cause. */
static void put_instances(struct buf *out, const struct page *p)
{
	if (p->f->n_instances < 2)
		return;
	buf_str(out, "<h3>");
	put_words(out, p, TEXT_FLEET_CAUSES);
	buf_str(out, "</h3><ul class=\"evidence\">\n");
	out->failed |= !fleet_causes_each(p->f, p->lang, put_line, out);
	buf_str(out, "</ul>\n");
}

static void put_path(struct buf *out, const struct page *p, const struct diagnosis *d)
{
	buf_str(out, "<h3>");
	put_words(out, p, TEXT_DIAGNOSIS_PATH);
	buf_printf(out, "</h3><ol class=\"path%s\">\n", tone_of(d) == TONE_GOOD ? " well" : "");
	for (size_t i = 0; i < d->n_steps; i++) {
		buf_str(out, "<li><span>");
		put_str(out, question_specs[d->step[i].question].text[p->lang]);
		buf_str(out, "</span> <b>");
		put_str(out, answer_specs[d->step[i].answer].text[p->lang]);
		buf_str(out, "</b></li>\n");
	}
	buf_str(out, "</ol>\n");
}

static void put_others(struct buf *out, const struct page *p, const struct diagnosis *d, enum text_id heading,
		       const enum cause_id *cause, size_t n)
{
	if (!n)
		return;
	buf_str(out, "<h3>");
	put_words(out, p, heading);
	buf_str(out, "</h3><ul class=\"evidence\">\n");
	for (size_t i = 0; i < n; i++) {
		buf_str(out, "<li><b>");
		put_str(out, cause_specs[cause[i]].title[p->lang]);
		buf_str(out, "</b> ");
		put_str(out, fix_words(d, cause[i], p->lang));
		buf_str(out, "</li>\n");
	}
	buf_str(out, "</ul>\n");
}

static void put_missing(struct buf *out, const struct page *p, const struct diagnosis *d)
{
	const bool unjudged = p->diagnosis_page && p->f->n_unjudged;

	if (!d->n_missing && !unjudged)
		return;
	buf_str(out, "<h3>");
	put_words(out, p, TEXT_DIAGNOSIS_MISSING);
	buf_str(out, "</h3><ul class=\"evidence\">\n");
	for (size_t i = 0; i < d->n_missing; i++) {
		buf_str(out, "<li>");
		put_str(out, evidence_specs[d->missing[i]].text[p->lang]);
		buf_str(out, "</li>\n");
	}
	if (unjudged) {
		buf_str(out, "<li>");
		page_unjudged(out, p);
		buf_str(out, "</li>\n");
	}
	buf_str(out, "</ul>\n");
}

static void put_source(struct buf *out, const struct page *p, const struct buf *source)
{
	buf_str(out, "<details><summary>");
	put_words(out, p, TEXT_PAGE_MERMAID);
	buf_str(out, "</summary><pre class=\"mermaid-source\" tabindex=\"0\">");
	put_lines_of(out, buf_slice(source));
	buf_str(out, "</pre></details>\n");
}

static void put_tree(struct buf *out, const struct page *p, const struct diagnosis *d)
{
	struct buf source = { 0 };

	mermaid_tree(&source, d, p->lang);
	buf_printf(out, "<details class=\"section-details\" id=\"tree\"%s><summary>", p->diagnosis_page ? " open" : "");
	put_words(out, p, TEXT_DIAGNOSIS_TREE);
	buf_str(out, "</summary><div class=\"scroll drawing\" role=\"group\" tabindex=\"0\" aria-label=\"");
	put_words(out, p, TEXT_DIAGNOSIS_TREE);
	buf_str(out, "\">\n");
	diagram_tree(out, p, d);
	buf_str(out, "</div>\n");
	put_source(out, p, &source);
	buf_str(out, "</details>\n");
	buf_free_into(&source, out);
}

void page_diagnosis(struct buf *out, const struct page *p)
{
	const struct diagnosis *d = p->diagnosis;

	if (!d)
		return;
	buf_str(out, "<section class=\"diagnosis\" aria-labelledby=\"diagnosis\"><h2 id=\"diagnosis\">");
	put_words(out, p, TEXT_DIAGNOSIS_TITLE);
	buf_str(out, "</h2>\n");
	put_cause(out, p, d);
	buf_str(out, "<div class=\"halves\"><div>");
	put_evidence(out, p, d);
	put_fix(out, p, d);
	put_instances(out, p);
	put_others(out, p, d, TEXT_DIAGNOSIS_ALSO, d->also, d->n_also);
	put_others(out, p, d, TEXT_DIAGNOSIS_ADVICE, d->advice, d->n_advice);
	buf_str(out, "</div><div>");
	put_path(out, p, d);
	buf_str(out, "</div></div>\n");
	if (p->diagnosis_page) {
		put_ruled_out(out, p, d);
		put_missing(out, p, d);
	} else {
		buf_str(out, "<details class=\"section-details\"><summary>");
		put_words(out, p, TEXT_DIAGNOSIS_RULED_OUT);
		buf_str(out, "</summary>");
		put_ruled_out(out, p, d);
		put_missing(out, p, d);
		buf_str(out, "</details>\n");
	}
	put_tree(out, p, d);
	buf_str(out, "</section>\n");
}

static void put_diagram(struct buf *out, const struct page *p, enum diagram_id diagram)
{
	const struct diagram_spec *spec = &diagram_specs[diagram];
	struct buf source = { 0 };

	mermaid_diagram(&source, diagram, p->lang);
	buf_str(out, "<h3>");
	put_str(out, spec->title[p->lang]);
	buf_str(out, " <small>");
	put_str(out, spec->says[p->lang]);
	buf_str(out, "</small></h3><div class=\"scroll drawing\" role=\"group\" tabindex=\"0\" aria-label=\"");
	put_str(out, spec->title[p->lang]);
	buf_str(out, "\">\n");
	diagram_boxes(out, p, diagram);
	buf_str(out, "</div>\n");
	put_source(out, p, &source);
	buf_free_into(&source, out);
}

void page_diagrams(struct buf *out, const struct page *p)
{
	buf_str(out, "<section aria-labelledby=\"diagrams\"><h2 id=\"diagrams\">");
	put_words(out, p, TEXT_PAGE_DIAGRAMS);
	buf_str(out, "</h2>\n");
	for (int d = 0; d < DIAGRAM_COUNT; d++)
		put_diagram(out, p, (enum diagram_id)d);
	buf_str(out, "</section>\n");
}
