/* diagram_tree.c - the bottleneck tree as rows: questions down the left, each one's causes to its right.
 *
 * The last answer of a question leads on along the trunk; other questions are drawn indented where they come up. A
 * question that several answers lead to is drawn once: where the path goes, else where it comes up first. */
#include "report/diagram.h"

#include "base/utf8.h"

enum { ROW = 24, BOX = 19, INDENT = 26, QUESTION_WIDTH = 330, PILL_AT = 232, LEFT = 4, WIDTH_LEAST = 700 };

struct drawing {
	struct buf *out;
	const struct page *p;
	const struct diagnosis *d;
	int y, right; /* where the next row begins; where the widest one ends */
	bool drawn[QUESTION_COUNT];
};

/* At least as wide as usual fonts draw it at 12 px, bold or not. */
static int text_width(const char *text, bool bold)
{
	return (int)(utf8_columns(text) * (bold ? 76 : 70) / 10) + 2;
}

static const char *lit(bool is)
{
	return is ? " lit" : "";
}

static void put_label(struct drawing *g, int x, int y, const char *class, const char *words)
{
	buf_printf(g->out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y + 14);
	put_str(g->out, words);
	buf_str(g->out, "</text>\n");
}

static void put_line(struct drawing *g, int x, int from, int to, int right, bool is_lit)
{
	buf_printf(g->out, "<path class=\"edge%s\" d=\"M%d %dV%d", lit(is_lit), x, from, to);
	if (right > x)
		buf_printf(g->out, "H%d", right);
	buf_str(g->out, "\"/>\n");
}

static bool on_path(const struct drawing *g, enum question_id q)
{
	for (size_t i = 0; i < g->d->n_steps; i++)
		if (g->d->step[i].question == q)
			return true;
	return false;
}

static void put_pill(struct drawing *g, int x, enum answer_id a, bool taken)
{
	const struct answer_spec *s = &answer_specs[a];
	const char *words =
		s->to_cause ? cause_specs[s->target].title[g->p->lang] : question_specs[s->target].text[g->p->lang];
	const char *kind = !s->to_cause ? "elsewhere" : cause_specs[s->target].kind == CAUSE_IS_FINE ? "fine" : "cause";
	const int width = text_width(words, taken) + 18;

	g->right = x + width > g->right ? x + width : g->right;
	buf_printf(g->out, "<rect class=\"%s%s%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"10\"/>", kind,
		   lit(taken), g->d->ruled_out[a] ? " out" : "", x, g->y, width, BOX);
	put_label(g, x + 9, g->y, taken ? "word lit" : g->d->ruled_out[a] ? "word out" : "word", words);
}

static void draw_question(struct drawing *g, enum question_id q, int depth);

/* Draws a row: from the trunk to the right, first the answer, then what it leads to. */
static void draw_answer(struct drawing *g, enum answer_id a, int depth, int trunk_from)
{
	const struct answer_spec *s = &answer_specs[a];
	bool taken = diagnosis_took(g->d, a), elsewhere = !s->to_cause && g->drawn[s->target];
	int trunk = depth * INDENT + 10;

	if (!s->to_cause && !taken && on_path(g, (enum question_id)s->target))
		elsewhere = true; /* drawn where the path goes */
	put_line(g, trunk, trunk_from, g->y + BOX / 2, trunk + 12, taken);
	put_label(g, trunk + 16, g->y, taken ? "answer lit" : "answer", s->text[g->p->lang]);
	if (s->to_cause || elsewhere) {
		int pill = depth * INDENT + PILL_AT, behind = trunk + 16 + text_width(s->text[g->p->lang], taken) + 8;

		put_pill(g, pill > behind ? pill : behind, a, taken);
		g->y += ROW;
		return;
	}
	g->y += ROW;
	put_line(g, trunk + INDENT, g->y - ROW + BOX, g->y, 0, taken);
	draw_question(g, (enum question_id)s->target, depth + 1);
}

static void draw_question(struct drawing *g, enum question_id q, int depth)
{
	int x = depth * INDENT, trunk = x + 10, from;
	bool here = on_path(g, q);
	enum answer_id a = answers_first(q), end = answers_end(q), last = end - 1;

	g->drawn[q] = true;
	buf_printf(g->out, "<rect class=\"question%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"/>",
		   lit(here), x, g->y, QUESTION_WIDTH, BOX + 2);
	put_label(g, x + 9, g->y + 1, here ? "ask lit" : "ask", question_specs[q].text[g->p->lang]);
	from = g->y + BOX + 2;
	g->y += ROW;
	for (; a < last; a = (enum answer_id)(a + 1))
		draw_answer(g, a, depth, from);
	if (answer_specs[last].to_cause) {
		draw_answer(g, last, depth, from);
		return;
	}
	put_line(g, trunk, from, g->y + ROW - 4, 0, diagnosis_took(g->d, last));
	put_label(g, trunk + 16, g->y, diagnosis_took(g->d, last) ? "answer lit" : "answer",
		  answer_specs[last].text[g->p->lang]);
	g->y += ROW - 4;
	draw_question(g, (enum question_id)answer_specs[last].target, depth);
}

/* For screen readers: the path in words. */
static void put_description(struct drawing *g)
{
	for (size_t i = 0; i < g->d->n_steps; i++) {
		put_str(g->out, question_specs[g->d->step[i].question].text[g->p->lang]);
		buf_char(g->out, ' ');
		put_str(g->out, answer_specs[g->d->step[i].answer].text[g->p->lang]);
		buf_str(g->out, ". ");
	}
	put_str(g->out, cause_specs[g->d->cause].title[g->p->lang]);
}

void diagram_tree(struct buf *out, const struct page *p, const struct diagnosis *d)
{
	struct buf inside = { 0 };
	struct drawing g = { .out = &inside, .p = p, .d = d, .y = 4, .right = WIDTH_LEAST - 2 * LEFT };
	int width;

	draw_question(&g, Q_FINITE, 0);
	width = g.right + 2 * LEFT;
	buf_printf(
		out,
		"<svg class=\"diagram tree%s\" role=\"img\" aria-labelledby=\"tree-name tree-says\" viewBox=\"%d 0 %d "
		"%d\" "
		"style=\"width:%dpx\">\n<title id=\"tree-name\">",
		cause_specs[d->cause].kind == CAUSE_IS_FINE ? " well" : "", -LEFT, width, g.y + 4, width);
	put_str(out, words(p, TEXT_DIAGNOSIS_TREE));
	buf_str(out, "</title><desc id=\"tree-says\">");
	g.out = out;
	put_description(&g);
	buf_str(out, "</desc>\n");
	buf_add(out, buf_text(&inside), inside.used);
	buf_str(out, "</svg>\n");
	buf_free_into(&inside, out);
}
