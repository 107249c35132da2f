/* tuning_plot.c - scales, grid, limits, the stair of the front, and one circle per measured setting. */
#include "report/tuning_plot.h"

#include "report/page.h"
#include "report/tuning_words.h"

#include <math.h>

/* In units of the drawing. */
enum { WIDTH = 520, HEIGHT = 320, LEFT = 64, RIGHT = 36, TOP = 30, BOTTOM = 48, RADIUS = 10, TICKS = 4 };

static const double DIFFERS = 0.01; /* a smaller share is no difference */

struct plot {
	const struct tuning_heat *h;
	const struct tuning_limits *limits;
	enum tuning_axis axis;
	enum lang lang;
	double x_from, x_to, y_to; /* y begins at 0 */
	size_t order[RACE_MAX];
};

static double value_of(const struct tuning_candidate *c, enum tuning_axis axis)
{
	return axis == TUNING_MEMORY ? c->memory_mb : c->kl;
}

static bool is_drawn(const struct tuning_heat *h, size_t i, enum tuning_axis axis)
{
	return h->race.rounds[i] && isfinite(h->of[i].level.mean) && isfinite(value_of(&h->of[i], axis));
}

static void range_of(const struct tuning_heat *h, enum tuning_axis axis, double *least, double *most)
{
	*least = INFINITY;
	*most = -INFINITY;
	for (size_t i = 0; i < h->race.n; i++)
		if (is_drawn(h, i, axis)) {
			*least = fmin(*least, value_of(&h->of[i], axis));
			*most = fmax(*most, value_of(&h->of[i], axis));
		}
}

bool tuning_plot_tells(const struct tuning_heat *h, enum tuning_axis axis)
{
	double least, most;

	range_of(h, axis, &least, &most);
	return most - least > DIFFERS * most;
}

/* Room on both sides; the least divergence is 0. */
static void scale(struct plot *p)
{
	double least, most, room;

	range_of(p->h, p->axis, &least, &most);
	room = 0.08 * (most - least);
	p->x_from = least - room;
	p->x_to = most + room;
	for (size_t i = 0; i < p->h->race.n; i++)
		if (is_drawn(p->h, i, p->axis))
			p->y_to = fmax(p->y_to, 1.1 * tuning_tps(p->h->of[i].level.mean));
}

static double x_at(const struct plot *p, double value)
{
	return LEFT + (WIDTH - LEFT - RIGHT) * (value - p->x_from) / (p->x_to - p->x_from);
}

static double y_at(const struct plot *p, double tps)
{
	return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * fmin(tps / p->y_to, 1);
}

static void put_line(struct buf *out, const char *class, double x1, double y1, double x2, double y2)
{
	buf_printf(out, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", class, x1, y1, x2, y2);
}

static void put_tick(struct buf *out, const char *class, double x, double y, double value)
{
	buf_printf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	put_number(out, value);
	buf_str(out, "</text>\n");
}

static void put_title(struct buf *out, const char *class, double x, double y, const char *words)
{
	buf_printf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	put_str(out, words);
	buf_str(out, "</text>\n");
}

static const char *axis_name(enum tuning_axis axis, enum lang lang)
{
	return text(axis == TUNING_MEMORY ? TEXT_TUNE_PAGE_MEMORY : TEXT_TUNE_PAGE_DIVERGENCE, lang);
}

/* 1, 2 or 5 times a power of ten: the least of which TICKS or fewer fit into the range. */
static double tick_step(double range)
{
	const double least = range / TICKS, power = pow(10, floor(log10(least)));

	return power * (least > 5 * power ? 10 : least > 2 * power ? 5 : least > power ? 2 : 1);
}

static void put_axes(struct buf *out, const struct plot *p)
{
	const double from = fmax(p->x_from, 0); /* beside a divergence of 0 there is room */
	const double x_step = tick_step(p->x_to - from), y_step = tick_step(p->y_to);

	for (double k = 0; k * y_step <= p->y_to; k++) {
		put_line(out, "grid", LEFT, y_at(p, k * y_step), WIDTH - RIGHT, y_at(p, k * y_step));
		put_tick(out, "y", LEFT - 6, y_at(p, k * y_step) + 4, k * y_step);
	}
	for (double k = ceil(from / x_step); k * x_step <= p->x_to; k++)
		put_tick(out, "x", x_at(p, k * x_step), HEIGHT - BOTTOM + 18, k * x_step);
	put_line(out, "axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
	put_title(out, "x", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10, axis_name(p->axis, p->lang));
	put_title(out, "", 4, 14, text(TEXT_TUNE_TPS, p->lang));
}

/* Where they lie within the plot. */
static void put_limits(struct buf *out, const struct plot *p)
{
	double x = p->axis == TUNING_MEMORY ? p->limits->memory_mb : p->limits->kl, y = p->limits->tps;

	if (x > p->x_from && x < p->x_to)
		put_line(out, "limit", x_at(p, x), TOP, x_at(p, x), HEIGHT - BOTTOM);
	if (y > 0 && y < p->y_to)
		put_line(out, "limit", LEFT, y_at(p, y), WIDTH - RIGHT, y_at(p, y));
}

/* The fastest of those with less than `below` of the other criterion; n: none. */
static size_t best_below(const struct plot *p, double below)
{
	size_t best = p->h->race.n;

	for (size_t i = 0; i < p->h->race.n; i++)
		if (is_drawn(p->h, i, p->axis) && value_of(&p->h->of[i], p->axis) < below &&
		    (best == p->h->race.n || p->h->of[i].level.mean < p->h->of[best].level.mean ||
		     (!(p->h->of[best].level.mean < p->h->of[i].level.mean) &&
		      value_of(&p->h->of[i], p->axis) < value_of(&p->h->of[best], p->axis))))
			best = i;
	return best;
}

/* From the fastest down to the smallest: each corner is the fastest of those that are smaller than the one before. */
static void put_stair(struct buf *out, const struct plot *p)
{
	double x = p->x_to;

	buf_str(out, "<path class=\"stair\" d=\"");
	for (size_t i; (i = best_below(p, x)) < p->h->race.n; x = value_of(&p->h->of[i], p->axis)) {
		double y = y_at(p, tuning_tps(p->h->of[i].level.mean));

		buf_printf(out, "%s%.1f %.1fL%.1f %.1f", x < p->x_to ? "L" : "M", x_at(p, x), y,
			   x_at(p, value_of(&p->h->of[i], p->axis)), y);
	}
	buf_str(out, "\"/>\n");
}

static void put_words(struct buf *out, const struct plot *p, size_t number, const struct tuning_candidate *c)
{
	struct buf part[5] = { 0 }, line = { 0 };

	buf_printf(&part[0], "%zu", number);
	tuning_setting_words(&part[1], c, p->h->phase == PHASE_PREFILL, p->lang);
	put_number(&part[2], tuning_tps(c->level.mean));
	put_number(&part[3], c->memory_mb);
	put_number(&part[4], c->kl);
	for (int i = 0; i < 5; i++)
		line.failed |= part[i].failed;
	if (!line.failed)
		text_fill(&line, p->lang, TEXT_TUNE_PAGE_POINT, part[0].p, part[1].p, part[2].p, part[3].p, part[4].p);
	buf_str(out, "<title>");
	put_text(out, buf_slice(&line));
	buf_str(out, "</title>");
	for (int i = 0; i < 5; i++)
		buf_free_into(&part[i], out);
	buf_free_into(&line, out);
}

static void put_point(struct buf *out, const struct plot *p, size_t number, size_t i)
{
	const struct tuning_candidate *c = &p->h->of[i];
	double x = x_at(p, value_of(c, p->axis)), y = y_at(p, tuning_tps(c->level.mean));

	buf_printf(out, "<g class=\"point%s\">", c->front ? " on" : "");
	put_words(out, p, number, c);
	if (isfinite(c->level.low) && isfinite(c->level.high))
		put_line(out, "bar", x, y_at(p, tuning_tps(c->level.high)), x, y_at(p, tuning_tps(c->level.low)));
	if (c->fate == FATE_CHOSEN)
		buf_printf(out, "<circle class=\"ring\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"/>", x, y, RADIUS + 4);
	buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"/>", x, y, RADIUS);
	buf_printf(out, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">%zu</text></g>\n", x, y + 4, number);
}

/* Those on the front last, so that nothing covers them. */
static void put_points(struct buf *out, const struct plot *p)
{
	for (int front = 0; front < 2; front++)
		for (size_t k = 0; k < p->h->race.n; k++) {
			size_t i = p->order[k];

			if (is_drawn(p->h, i, p->axis) && p->h->of[i].front == (front == 1))
				put_point(out, p, k + 1, i);
		}
}

void tuning_plot(struct buf *out, const struct tuning_heat *h, const struct tuning_limits *limits,
		 enum tuning_axis axis, enum lang lang)
{
	struct plot p = { .h = h, .limits = limits, .axis = axis, .lang = lang };
	struct buf label = { 0 };

	tuning_order(h, p.order);
	scale(&p);
	text_fill(&label, lang, TEXT_TUNE_PAGE_PLOT, text(TEXT_TUNE_TPS, lang), axis_name(axis, lang));
	buf_printf(out, "<svg class=\"front\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
	put_text(out, buf_slice(&label));
	buf_str(out, "\">\n");
	put_axes(out, &p);
	put_limits(out, &p);
	put_stair(out, &p);
	put_points(out, &p);
	buf_str(out, "</svg>\n");
	buf_free_into(&label, out);
}
