/* html_forecast.c - what comes next, as a table of the page. */
#include "report/forecast_words.h"
#include "report/page.h"
#include "report/table.h"

#include <math.h>

/* Values that scatter around a constant level are not a trend: a line goes somewhere if what it adds shows beside the
 * width of its interval. */
static bool goes_somewhere(const struct forecast *f)
{
	const struct forecast_step *first = &f->step[0], *last = &f->step[f->steps - 1];

	return f->model == FORECAST_SEASONAL ||
	       (forecast_is_line(f) && fabs(last->value - first->value) > (last->high - last->low) / 8);
}

static bool is_worth_saying(const struct foreseen *x)
{
	return x->reach.now || (x->is.state == FORECAST_SKILLED && (goes_somewhere(&x->is) || isfinite(x->reach.at)));
}

static void words_cell(struct buf *out, const struct foreseen *x, enum lang lang,
		       void (*say)(struct buf *, const struct foreseen *, enum lang))
{
	struct buf words = { 0 };

	say(&words, x, lang);
	buf_str(out, "<td>");
	put_text(out, buf_slice(&words));
	buf_str(out, "</td>");
	buf_free_into(&words, out);
}

static void put_row(struct buf *out, const struct page *p, const struct foreseen *x)
{
	struct buf name = { 0 };

	forecast_name_words(&name, x, p->lang);
	buf_str(out, "<tr><th scope=\"row\">");
	if (name.used)
		put_str(out, name.p);
	buf_free_into(&name, out);
	buf_str(out, "</th>");
	if (p->f->instances_total > 1)
		table_log_text(out, instance_shown(x->instance));
	words_cell(out, x, p->lang, forecast_next_words);
	words_cell(out, x, p->lang, forecast_limit_words);
	words_cell(out, x, p->lang, forecast_method_words);
	buf_str(out, "</tr>\n");
}

static void put_head(struct buf *out, const struct page *p)
{
	table_begin(out, words(p, TEXT_FORECAST_TITLE));
	table_head_words(out, p, TEXT_PAGE_METRIC, false);
	if (p->f->instances_total > 1)
		table_head_words(out, p, TEXT_PAGE_INSTANCE, false);
	table_head_words(out, p, TEXT_FORECAST_THEN, false);
	table_head_words(out, p, TEXT_FORECAST_TO_LIMIT, false);
	table_head_words(out, p, TEXT_FORECAST_METHOD, false);
	table_body(out);
}

static void put_table(struct buf *out, const struct page *p)
{
	put_head(out, p);
	for (size_t i = 0; i < p->f->n_foreseen; i++)
		if (is_worth_saying(&p->f->foreseen[i]))
			put_row(out, p, &p->f->foreseen[i]);
	table_end(out);
}

void page_forecast(struct buf *out, const struct page *p)
{
	bool any = false;

	for (size_t i = 0; i < p->f->n_foreseen; i++)
		any |= is_worth_saying(&p->f->foreseen[i]);
	if (!any && !p->f->instances_unforeseen)
		return;
	buf_str(out, "<section aria-labelledby=\"forecast\">\n<h2 id=\"forecast\">");
	put_str(out, words(p, TEXT_FORECAST_TITLE));
	buf_str(out, "</h2>\n<p class=\"note\">");
	put_str(out, words(p, TEXT_FORECAST_NOTE));
	buf_str(out, "</p>\n");
	if (any)
		put_table(out, p);
	if (p->f->instances_unforeseen)
		table_note(out, p, TEXT_FORECAST_UNFORESEEN, p->f->instances_unforeseen, 0);
	buf_str(out, "</section>\n");
}
