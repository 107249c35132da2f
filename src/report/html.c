/* html.c - fills the marks of page.html: style, script, texts, charts, raw findings. */
#include "report/report.h"

#include "report/page.h"
#include "report/template.h"
#include "report/web_files.h"

#include <string.h>

static void fill_heading(struct buf *out, const struct page *p)
{
	put_str(out, words(p, p->diagnosis_page ? TEXT_PAGE_DIAGNOSIS_TITLE : TEXT_PAGE_TITLE));
}

/* The place where the answer begins. */
static void fill_answer(struct buf *out, const struct page *p)
{
	buf_str(out, p->diagnosis_page ? "diagnosis" : "verdict");
}

static void fill_policy(struct buf *out, const struct page *p)
{
	(void)p;
	buf_str(out, "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:");
}

static void fill_title(struct buf *out, const struct page *p)
{
	fill_heading(out, p);
	if (p->f->n_files) {
		const char *slash = strrchr(p->f->files[0], '/');

		buf_str(out, " · ");
		put_text(out, shown_part(slash ? slash + 1 : p->f->files[0]));
	}
}

static void add_file(struct buf *out, struct slice file)
{
	buf_add(out, file.p, file.n);
	buf_char(out, '\n');
}

static void fill_style(struct buf *out, const struct page *p)
{
	(void)p;
	add_file(out, WEB_FILE(web_uplot_css));
	add_file(out, WEB_FILE(web_report_css));
}

static void fill_script(struct buf *out, const struct page *p)
{
	(void)p;
	add_file(out, WEB_FILE(web_uplot_js));
	add_file(out, WEB_FILE(web_charts_js));
	add_file(out, WEB_FILE(web_report_js));
}

static void fill_licence(struct buf *out, const struct page *p)
{
	(void)p;
	add_file(out, WEB_FILE(web_uplot_licence));
}

/* Bytes that the page may still take, with what follows the raw findings set aside. */
static size_t bytes_left(const struct buf *out)
{
	size_t fixed = WEB_FILE(web_uplot_js).n + WEB_FILE(web_charts_js).n + WEB_FILE(web_report_js).n + 4096;

	return out->used + fixed < PAGE_BYTES_MAX ? PAGE_BYTES_MAX - out->used - fixed : 0;
}

/* The findings as report_json writes them, with as many sessions and events as fit. */
static void fill_raw(struct buf *out, const struct page *p)
{
	struct report_options options = { .lang = p->lang };
	struct findings part = *p->f;
	struct buf json = { 0 };

	part.n_sessions = part.n_sessions < PAGE_SESSIONS_MAX ? part.n_sessions : PAGE_SESSIONS_MAX;
	for (;;) {
		buf_rewind(&json);
		report_json(&json, &part, &options);
		if (json.failed || json.used <= bytes_left(out) || !(part.n_sessions + part.n_events))
			break;
		part.n_sessions /= 2;
		part.n_events /= 2;
	}
	if (!json.failed && json.used <= bytes_left(out))
		buf_add(out, json.p, json.used);
	else
		buf_str(out, "null");
	buf_free_into(&json, out);
}

static void fill_footer(struct buf *out, const struct page *p)
{
	put_filled(out, p, TEXT_PAGE_FOOTER, (const char *[]){ RWKVMON_VERSION, NULL });
}

static void fill_model(struct buf *out, const struct page *p)
{
	struct json json = { .out = out };

	page_model(&json, p);
}

/* {{name}} in the template is filled by the function of that name, {{PAGE_NAME}} by that text; what is between
 * {{report_only}} and {{end}} is left out of the diagnosis's page. */
static const struct filler {
	const char *name;
	void (*fill)(struct buf *out, const struct page *p);
} fillers[] = {
	{ "policy", fill_policy },         { "title", fill_title },       { "heading", fill_heading },
	{ "answer", fill_answer },         { "style", fill_style },       { "uplot_licence", fill_licence },
	{ "facts", page_facts },           { "verdict", page_verdict },   { "diagnosis", page_diagnosis },
	{ "forecast", page_forecast },     { "insights", page_insights }, { "diagrams", page_diagrams },
	{ "tiles", page_tiles },           { "charts", page_charts },     { "anomalies", page_anomalies },
	{ "statistics", page_statistics }, { "sessions", page_sessions }, { "skipped", page_skipped },
	{ "model", fill_model },           { "raw", fill_raw },           { "footer", fill_footer },
	{ "script", fill_script },
};

static bool fill(struct buf *out, struct slice name, const void *ctx)
{
	const struct page *p = ctx;

	if (p->diagnosis_page && slice_is(name, "report_only"))
		return false;
	for (size_t i = 0; i < sizeof fillers / sizeof *fillers; i++)
		if (slice_is(name, fillers[i].name))
			fillers[i].fill(out, p);
	template_common(out, name, p->lang);
	return true;
}

static void put_page(struct buf *out, const struct page *page)
{
	template_fill(out, WEB_FILE(web_report_html), fill, page);
}

void report_html(struct buf *out, const struct findings *f, const struct report_options *o)
{
	put_page(out, &(struct page){ .f = f, .lang = o->lang, .diagnosis = &f->judgement->diagnosis });
}

void report_diagnosis_html(struct buf *out, const struct findings *f, const struct report_options *o)
{
	put_page(out, &(struct page){
			      .f = f, .lang = o->lang, .diagnosis = &f->judgement->diagnosis, .diagnosis_page = true });
}
