/* mermaid.c - writes questions and causes as a flow chart; the path taken is highlighted. */
#include "report/mermaid.h"

#include "report/report.h"

static void label(struct buf *out, const char *text)
{
	buf_char(out, '"');
	for (; *text; text++)
		if (*text == '"')
			buf_str(out, "#quot;");
		else if (*text == '\n')
			buf_str(out, "<br/>");
		else
			buf_char(out, *text);
	buf_char(out, '"');
}

/* --- the tree ------------------------------------------------------------------------- */

static bool question_lit(const struct diagnosis *d, int q)
{
	for (size_t i = 0; d && i < d->n_steps; i++)
		if ((int)d->step[i].question == q)
			return true;
	return false;
}

static void questions(struct buf *out, enum lang lang)
{
	for (int q = 0; q < QUESTION_COUNT; q++) {
		buf_printf(out, "  q_%s{", question_specs[q].id);
		label(out, question_specs[q].text[lang]);
		buf_str(out, "}\n");
	}
}

/* A cause that several answers lead to is one box. */
static void causes(struct buf *out, enum lang lang)
{
	for (int c = 0; c < CAUSE_COUNT; c++) {
		buf_printf(out, "  c_%s([", cause_specs[c].id);
		label(out, cause_specs[c].title[lang]);
		buf_str(out, "])\n");
	}
}

static void answers(struct buf *out, enum lang lang)
{
	for (int a = 0; a < ANSWER_COUNT; a++) {
		const struct answer_spec *s = &answer_specs[a];

		buf_printf(out, "  q_%s -->|", question_specs[s->question].id);
		label(out, s->text[lang]);
		buf_printf(out, "| %s%s\n", s->to_cause ? "c_" : "q_",
			   s->to_cause ? cause_specs[s->target].id : question_specs[s->target].id);
	}
}

static void light_up(struct buf *out, const struct diagnosis *d)
{
	bool first = true;

	buf_str(out, "  classDef lit fill:#dbe7fb,stroke:#2457a8,stroke-width:3px,color:#1a1a1a\n"
		     "  classDef cause fill:#fbd5d0,stroke:#b3261e,stroke-width:4px,color:#1a1a1a\n"
		     "  classDef fine fill:#d6f0df,stroke:#16703a,stroke-width:4px,color:#1a1a1a\n");
	for (int q = 0; q < QUESTION_COUNT; q++)
		if (question_lit(d, q))
			buf_printf(out, "  class q_%s lit\n", question_specs[q].id);
	buf_printf(out, "  class c_%s %s\n  linkStyle ", cause_specs[d->cause].id,
		   cause_specs[d->cause].kind == CAUSE_IS_FINE ? "fine" : "cause");
	for (int a = 0; a < ANSWER_COUNT; a++)
		if (diagnosis_took(d, (enum answer_id)a)) {
			buf_printf(out, "%s%d", first ? "" : ",", a);
			first = false;
		}
	buf_str(out, " stroke:#a35a00,stroke-width:3px\n");
}

void mermaid_tree(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	buf_str(out, "flowchart TD\n");
	questions(out, lang);
	causes(out, lang);
	answers(out, lang);
	if (d)
		light_up(out, d);
}

void report_diagnosis_mermaid(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	mermaid_tree(out, &f->judgement->diagnosis, opts->lang);
}

/* --- boxes and arrows ------------------------------------------------------------------ */

static void boxes(struct buf *out, int group, enum lang lang)
{
	for (int i = 0; i < BOX_COUNT; i++) {
		const struct box_spec *b = &box_specs[i];

		if ((int)b->group != group)
			continue;
		buf_printf(out, "    %s[", b->id);
		label(out, b->text[lang]);
		buf_str(out, "]\n");
	}
}

void mermaid_diagram(struct buf *out, enum diagram_id diagram, enum lang lang)
{
	buf_str(out, "flowchart LR\n");
	for (int g = 0; g < GROUP_COUNT; g++) {
		if (group_specs[g].diagram != diagram)
			continue;
		buf_printf(out, "  subgraph %s[", group_specs[g].id);
		label(out, group_specs[g].title[lang]);
		buf_str(out, "]\n");
		boxes(out, g, lang);
		buf_str(out, "  end\n");
	}
	for (size_t i = 0; i < arrow_spec_count; i++) {
		const struct arrow_spec *a = &arrow_specs[i];

		if (box_specs[a->from].diagram != diagram)
			continue;
		buf_printf(out, "  %s %s", box_specs[a->from].id, a->dashed ? "-.->" : "-->");
		if (*a->text[lang]) {
			buf_char(out, '|');
			label(out, a->text[lang]);
			buf_char(out, '|');
		}
		buf_printf(out, " %s\n", box_specs[a->to].id);
	}
}
