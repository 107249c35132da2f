/* diagram_boxes.c - boxes on a grid, frames around them, arrows between: the diagrams of spec/diagrams.def. */
#include "report/diagram.h"

#include <math.h>

enum { CELL_WIDTH = 190, CELL_HEIGHT = 92, BOX_WIDTH = 150, BOX_HEIGHT = 50, LINE = 15, FRAME = 10, TOP = 14 };

struct point {
	double x, y;
};

static struct point center(const struct box_spec *b)
{
	return (struct point){ b->column * CELL_WIDTH + CELL_WIDTH / 2.0,
			       b->row * CELL_HEIGHT + CELL_HEIGHT / 2.0 + TOP };
}

/* The point at which the line from the box's middle to `to` leaves the box. */
static struct point border(const struct box_spec *b, struct point to)
{
	struct point c = center(b);
	double dx = to.x - c.x, dy = to.y - c.y;
	double x = fabs(dx) > 0 ? (BOX_WIDTH / 2.0 + 2) / fabs(dx) : INFINITY;
	double y = fabs(dy) > 0 ? (BOX_HEIGHT / 2.0 + 2) / fabs(dy) : INFINITY, t = fmin(fmin(x, y), 1);

	return (struct point){ c.x + dx * t, c.y + dy * t };
}

static void put_lines(struct buf *out, const char *class, double x, double middle, const char *text)
{
	int lines = 1;

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	for (int i = 0; i < lines; i++) {
		const char *end = strchr(text, '\n');
		size_t n = end ? (size_t)(end - text) : strlen(text);

		buf_printf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x,
			   middle + LINE * (i - (lines - 1) / 2.0) + 4);
		put_text(out, (struct slice){ text, n });
		buf_str(out, "</text>");
		text += n + (end != NULL);
	}
}

static void put_group(struct buf *out, const struct group_spec *g, enum lang lang)
{
	double x = g->column * CELL_WIDTH + FRAME, y = g->row * CELL_HEIGHT + TOP;

	buf_printf(out, "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"8\"/>", x, y,
		   g->columns * CELL_WIDTH - 2 * FRAME, g->rows * CELL_HEIGHT - 6);
	buf_printf(out, "<text class=\"frame-name\" x=\"%.1f\" y=\"%.1f\">", x + 10, y + 13);
	put_str(out, g->title[lang]);
	buf_str(out, "</text>\n");
}

static void put_box(struct buf *out, const struct box_spec *b, enum lang lang)
{
	struct point c = center(b);

	buf_printf(out, "<rect class=\"box\" x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"6\"/>",
		   c.x - BOX_WIDTH / 2.0, c.y - BOX_HEIGHT / 2.0, BOX_WIDTH, BOX_HEIGHT);
	put_lines(out, "box-name", c.x, c.y, b->text[lang]);
	buf_char(out, '\n');
}

static void put_arrow(struct buf *out, const struct arrow_spec *a, enum lang lang)
{
	const struct box_spec *from = &box_specs[a->from], *to = &box_specs[a->to];
	struct point p = border(from, center(to)), q = border(to, center(from));
	bool level = from->row == to->row;

	buf_printf(out, "<path class=\"arrow%s\" d=\"M%.1f %.1fL%.1f %.1f\" marker-end=\"url(#arrowhead-%d)\"/>",
		   a->dashed ? " dashed" : "", p.x, p.y, q.x, q.y, (int)from->diagram);
	if (*a->text[lang])
		put_lines(out, "arrow-name", (p.x + q.x) / 2, (p.y + q.y) / 2 - (level ? 9 : 0), a->text[lang]);
	buf_char(out, '\n');
}

static void begin(struct buf *out, const struct page *p, enum diagram_id diagram)
{
	const struct diagram_spec *spec = &diagram_specs[diagram];
	int columns = 0, rows = 0;

	for (int b = 0; b < BOX_COUNT; b++)
		if (box_specs[b].diagram == diagram) {
			columns = box_specs[b].column >= columns ? box_specs[b].column + 1 : columns;
			rows = box_specs[b].row >= rows ? box_specs[b].row + 1 : rows;
		}
	buf_printf(out,
		   "<svg class=\"diagram\" role=\"img\" aria-labelledby=\"%s-name %s-says\" viewBox=\"0 0 %d %d\" "
		   "style=\"width:%dpx\">\n"
		   "<title id=\"%s-name\">",
		   spec->id, spec->id, columns * CELL_WIDTH, rows * CELL_HEIGHT + TOP + 4, columns * CELL_WIDTH,
		   spec->id);
	put_str(out, spec->title[p->lang]);
	buf_printf(out, "</title><desc id=\"%s-says\">", spec->id);
	put_str(out, spec->says[p->lang]);
	buf_printf(
		out,
		"</desc>\n<defs><marker id=\"arrowhead-%d\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" "
		"markerWidth=\"8\" "
		"markerHeight=\"8\" orient=\"auto\"><path class=\"arrowhead\" d=\"M0 0 8 4 0 8z\"/></marker></defs>\n",
		(int)diagram);
}

void diagram_boxes(struct buf *out, const struct page *p, enum diagram_id diagram)
{
	begin(out, p, diagram);
	for (int g = 0; g < GROUP_COUNT; g++)
		if (group_specs[g].diagram == diagram)
			put_group(out, &group_specs[g], p->lang);
	for (size_t i = 0; i < arrow_spec_count; i++)
		if (box_specs[arrow_specs[i].from].diagram == diagram)
			put_arrow(out, &arrow_specs[i], p->lang);
	for (int b = 0; b < BOX_COUNT; b++)
		if (box_specs[b].diagram == diagram)
			put_box(out, &box_specs[b], p->lang);
	buf_str(out, "</svg>\n");
}
