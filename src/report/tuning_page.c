/* tuning_page.c - fills the marks of tune.html: the choice, plots, tables, the JSON. */
#include "report/page.h"
#include "report/table.h"
#include "report/template.h"
#include "report/tuning.h"
#include "report/tuning_plot.h"
#include "report/tuning_words.h"
#include "report/web_files.h"

#include <math.h>

struct tuning_page {
	const struct tuning *t;
	enum lang lang;
};

/* The parts that pages of logs are made of need no findings for a text or a table. */
static struct page texts_of(const struct tuning_page *p)
{
	return (struct page){ .lang = p->lang };
}

static void put_words(struct buf *out, struct buf *words)
{
	put_text(out, buf_slice(words));
	buf_free_into(words, out);
}

static void fill_policy(struct buf *out, const struct tuning_page *p)
{
	(void)p;
	buf_str(out, "default-src 'none'; style-src 'unsafe-inline'; img-src data:");
}

static void fill_title(struct buf *out, const struct tuning_page *p)
{
	put_str(out, text(TEXT_TUNE_TITLE, p->lang));
	buf_str(out, " · ");
	put_text(out, shown_part(p->t->model));
}

static void fill_style(struct buf *out, const struct tuning_page *p)
{
	struct slice files[] = { WEB_FILE(web_report_css), WEB_FILE(web_tune_css) };

	(void)p;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		buf_add(out, files[i].p, files[i].n);
}

static void fill_about(struct buf *out, const struct tuning_page *p)
{
	const struct page texts = texts_of(p);
	struct buf model = { 0 };
	char cores[16], seconds[24];

	snprintf(cores, sizeof cores, "%d", p->t->cores);
	snprintf(seconds, sizeof seconds, "%.1f", p->t->seconds);
	put_log_text(&model, p->t->model);
	if (!model.failed)
		put_filled(out, &texts, TEXT_TUNE_ABOUT,
			   (const char *[]){ model.p, p->t->dtype ? p->t->dtype : "–", cores, seconds, NULL });
	buf_free_into(&model, out);
}

static void put_warning(struct buf *out, const struct tuning_page *p, bool holds, enum text_id id)
{
	if (!holds)
		return;
	buf_str(out, "<p>");
	put_str(out, text(id, p->lang));
	buf_str(out, "</p>");
}

static void fill_choice(struct buf *out, const struct tuning_page *p)
{
	const struct tuning_candidate *c = tuning_chosen(p->t);
	enum tone tone = c ? TONE_GOOD : TONE_BAD;
	struct buf setting = { 0 }, words = { 0 };

	if (c)
		tuning_setting_words(&setting, c, true, p->lang);
	else
		buf_str(&setting, text(TEXT_TUNE_NONE, p->lang));
	buf_printf(out, "<section class=\"verdict %s\" aria-labelledby=\"choice\">\n", tone_classes[tone]);
	put_icon(out, tone);
	buf_str(out, "<h2 id=\"choice\">");
	put_words(out, &setting);
	buf_str(out, "</h2><div class=\"why\"><p>");
	tuning_choice_words(&words, p->t, p->lang);
	put_words(out, &words);
	buf_str(out, "</p>");
	put_warning(out, p, p->t->interrupted, TEXT_TUNE_INTERRUPTED);
	put_warning(out, p, p->t->out_of_time, TEXT_TUNE_OUT_OF_TIME);
	buf_str(out, "</div></section>");
}

static void number_cell(struct buf *out, double value)
{
	buf_str(out, "<td class=\"n\">");
	put_number(out, value);
	buf_str(out, "</td>");
}

/* With the interval where there is one. */
static void speed_cell(struct buf *out, const struct tuning_page *p, const struct tuning_candidate *c)
{
	const double value[3] = { tuning_tps(c->level.mean), tuning_tps(c->level.high), tuning_tps(c->level.low) };
	const struct page texts = texts_of(p);
	struct buf of[3] = { 0 };

	for (int i = 0; i < 3; i++)
		put_number(&of[i], value[i]);
	buf_str(out, "<td class=\"n\">");
	if (isfinite(value[1]) && isfinite(value[2]) && !of[0].failed && !of[1].failed && !of[2].failed)
		put_filled(out, &texts, TEXT_TUNE_PAGE_RANGE, (const char *[]){ of[0].p, of[1].p, of[2].p, NULL });
	else
		put_number(out, value[0]);
	buf_str(out, "</td>");
	for (int i = 0; i < 3; i++) {
		buf_free_into(&of[i], out);
	}
}

static void put_row(struct buf *out, const struct tuning_page *p, const struct tuning_heat *h, size_t number, size_t i)
{
	const struct tuning_candidate *c = &h->of[i];
	struct buf setting = { 0 }, judgement = { 0 };

	buf_printf(out, "<tr%s><td class=\"n\">%zu</td><th scope=\"row\">",
		   c->fate == FATE_CHOSEN ? " class=\"chosen\"" : "", number);
	tuning_setting_words(&setting, c, h->phase == PHASE_PREFILL, p->lang);
	put_words(out, &setting);
	buf_str(out, "</th>");
	speed_cell(out, p, c);
	number_cell(out, c->memory_mb);
	number_cell(out, c->kl);
	buf_str(out, "<td>");
	put_str(out, c->front ? text(TEXT_TUNE_PAGE_ON_FRONT, p->lang) : "");
	buf_str(out, "</td><td>");
	tuning_judgement_words(&judgement, c, p->lang);
	put_words(out, &judgement);
	if (c->why) {
		buf_str(out, text(TEXT_COLON, p->lang));
		put_log_text(out, c->why);
	}
	buf_str(out, "</td></tr>\n");
}

static void put_table(struct buf *out, const struct tuning_page *p, const struct tuning_heat *h, enum text_id title)
{
	static const struct {
		enum text_id name;
		bool number;
	} heads[] = {
		{ TEXT_TUNE_PAGE_NUMBER, true }, { TEXT_TUNE_SETTING, false }, { TEXT_TUNE_TPS, true },
		{ TEXT_TUNE_MIB, true },         { TEXT_TUNE_KL, true },       { TEXT_TUNE_PAGE_FRONT, false },
		{ TEXT_TUNE_TIME, false },
	};
	const struct page texts = texts_of(p);
	size_t order[RACE_MAX];

	table_begin(out, text(title, p->lang));
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		table_head_words(out, &texts, heads[i].name, heads[i].number);
	table_body(out);
	tuning_order(h, order);
	for (size_t k = 0; k < h->race.n; k++)
		put_row(out, p, h, k + 1, order[k]);
	table_end(out);
}

static void put_plots(struct buf *out, const struct tuning_page *p, const struct tuning_heat *h)
{
	static const enum text_id titles[TUNING_AXES] = { TEXT_TUNE_PAGE_SPEED_MEMORY, TEXT_TUNE_PAGE_SPEED_KL };
	bool any = false;

	buf_str(out, "<div class=\"panels\">\n");
	for (int axis = 0; axis < TUNING_AXES; axis++) {
		if (!tuning_plot_tells(h, (enum tuning_axis)axis))
			continue;
		any = true;
		buf_str(out, "<figure class=\"panel\"><figcaption><h3>");
		put_str(out, text(titles[axis], p->lang));
		buf_str(out, "</h3></figcaption>\n");
		tuning_plot(out, h, &p->t->limits, (enum tuning_axis)axis, p->lang);
		buf_str(out, "</figure>\n");
	}
	buf_str(out, "</div>\n");
	if (!any)
		return;
	buf_str(out, "<p class=\"note\">");
	put_str(out, text(TEXT_TUNE_PAGE_LEGEND, p->lang));
	buf_str(out, "</p>\n");
}

static void fill_races(struct buf *out, const struct tuning_page *p)
{
	for (int i = 0; i < 2; i++) {
		const struct tuning_heat *h = &p->t->heat[i];
		enum text_id title = h->phase == PHASE_PREFILL ? TEXT_TUNE_PREFILL : TEXT_TUNE_DECODE;

		if (!h->race.n)
			continue;
		buf_printf(out, "<section aria-labelledby=\"race-%d\">\n<h2 id=\"race-%d\">", i, i);
		put_str(out, text(title, p->lang));
		buf_str(out, "</h2>\n");
		put_plots(out, p, h);
		put_table(out, p, h, title);
		buf_str(out, "</section>\n");
	}
}

static void fill_note(struct buf *out, const struct tuning_page *p)
{
	const struct page texts = texts_of(p);
	struct buf tokens = { 0 };

	put_count(&tokens, p->t->quality_tokens);
	if (!tokens.failed)
		put_filled(out, &texts, TEXT_TUNE_NOTE, (const char *[]){ tokens.p, NULL });
	buf_free_into(&tokens, out);
}

static void fill_raw(struct buf *out, const struct tuning_page *p)
{
	struct buf json = { 0 };

	report_tuning_json(&json, p->t);
	put_lines_of(out, buf_slice(&json));
	buf_free_into(&json, out);
}

static void fill_footer(struct buf *out, const struct tuning_page *p)
{
	const struct page texts = texts_of(p);

	put_filled(out, &texts, TEXT_PAGE_FOOTER, (const char *[]){ RWKVMON_VERSION, NULL });
}

static const struct filler {
	const char *name;
	void (*fill)(struct buf *out, const struct tuning_page *p);
} fillers[] = {
	{ "policy", fill_policy }, { "title", fill_title },   { "style", fill_style },
	{ "about", fill_about },   { "choice", fill_choice }, { "races", fill_races },
	{ "note", fill_note },     { "raw", fill_raw },       { "footer", fill_footer },
};

static bool fill(struct buf *out, struct slice name, const void *ctx)
{
	const struct tuning_page *p = ctx;

	for (size_t i = 0; i < sizeof fillers / sizeof *fillers; i++)
		if (slice_is(name, fillers[i].name))
			fillers[i].fill(out, p);
	template_common(out, name, p->lang);
	return true;
}

void report_tuning_html(struct buf *out, const struct tuning *t, const struct report_options *opts)
{
	template_fill(out, WEB_FILE(web_tune_html), fill, &(struct tuning_page){ t, opts->lang });
}
