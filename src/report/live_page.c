/* live_page.c - the page's model and words as JSON. */
#include "report/live_page.h"

#include "report/page.h"

extern const char web_live_html[], web_live_html_end[];
extern const char web_live_js[], web_live_js_end[];
extern const char web_live_css[], web_live_css_end[];
extern const char web_charts_js[], web_charts_js_end[];
extern const char web_report_css[], web_report_css_end[];
extern const char web_uplot_js[], web_uplot_js_end[];
extern const char web_uplot_css[], web_uplot_css_end[];

static struct slice bytes_of(const char *from, const char *to)
{
	return (struct slice){ from, (size_t)(to - from) };
}

void live_file_add(struct buf *out, enum live_file file)
{
	const struct slice parts[LIVE_FILES][4] = {
		[LIVE_HTML] = { bytes_of(web_live_html, web_live_html_end) },
		[LIVE_CSS] = { bytes_of(web_uplot_css, web_uplot_css_end), bytes_of(web_report_css, web_report_css_end),
			       bytes_of(web_live_css, web_live_css_end) },
		[LIVE_JS] = { bytes_of(web_uplot_js, web_uplot_js_end), bytes_of(web_charts_js, web_charts_js_end),
			      bytes_of(web_live_js, web_live_js_end) },
	};

	for (int i = 0; i < 4 && parts[file][i].n; i++) {
		buf_add(out, parts[file][i].p, parts[file][i].n);
		buf_char(out, '\n');
	}
}

static bool chart_occurs(const struct findings *f, int chart)
{
	for (int p = 0; p < PANEL_COUNT; p++)
		if ((int)panel_specs[p].chart == chart && page_panel_occurs(f, (enum panel_id)p))
			return true;
	return false;
}

static void add_chart(struct json *out, const struct findings *f, int chart, enum lang lang)
{
	jw_object(out);
	jw_put_text(out, "title", chart_specs[chart].title[lang]);
	jw_put_text(out, "question", chart_specs[chart].question[lang]);
	jw_put_array(out, "panels");
	for (int p = 0; p < PANEL_COUNT; p++) {
		if ((int)panel_specs[p].chart != chart || !page_panel_occurs(f, (enum panel_id)p))
			continue;
		jw_object(out);
		jw_put_text(out, "id", panel_specs[p].id);
		jw_put_text(out, "title", panel_specs[p].title[lang]);
		jw_end(out);
	}
	jw_end(out);
	jw_end(out);
}

void live_page_model(struct json *out, const struct findings *f, enum lang lang)
{
	const struct page page = { .f = f, .lang = lang };

	jw_object(out);
	jw_put_array(out, "charts");
	for (int c = 0; c < CHART_COUNT; c++)
		if (chart_occurs(f, c))
			add_chart(out, f, c, lang);
	jw_end(out);
	jw_key(out, "model");
	page_model(out, &page);
	jw_end(out);
}

void live_page_series(struct json *out, const struct series *s)
{
	page_series(out, s, NULL);
}

void live_page_words(struct json *out, enum lang lang)
{
	jw_object(out);
	jw_put_text(out, "lang", lang == LANG_ZH ? "zh-CN" : "en");
	jw_put_text(out, "version", RWKVMON_VERSION);
	jw_put_object(out, "text");
#define TEXT(name, en, zh)                                                                                             \
	if (!strncmp(#name, "LIVE_", 5))                                                                               \
		jw_put_text(out, #name, text(TEXT_##name, lang));
#include "spec/text.def"
#undef TEXT
	jw_end(out);
	jw_end(out);
}
