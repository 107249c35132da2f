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

static void add_string(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, "\"%s\":", key);
	buf_json_string(out, slice_of(text));
}

static bool chart_occurs(const struct findings *f, int chart)
{
	for (int p = 0; p < PANEL_COUNT; p++)
		if ((int)panel_specs[p].chart == chart && page_panel_occurs(f, (enum panel_id)p))
			return true;
	return false;
}

static void add_chart(struct buf *out, const struct findings *f, int chart, enum lang lang)
{
	bool first = true;

	buf_char(out, '{');
	add_string(out, "title", chart_specs[chart].title[lang]);
	buf_char(out, ',');
	add_string(out, "question", chart_specs[chart].question[lang]);
	buf_str(out, ",\"panels\":[");
	for (int p = 0; p < PANEL_COUNT; p++) {
		if ((int)panel_specs[p].chart != chart || !page_panel_occurs(f, (enum panel_id)p))
			continue;
		buf_str(out, first ? "{" : ",{");
		first = false;
		add_string(out, "id", panel_specs[p].id);
		buf_char(out, ',');
		add_string(out, "title", panel_specs[p].title[lang]);
		buf_char(out, '}');
	}
	buf_str(out, "]}");
}

void live_page_model(struct buf *out, const struct findings *f, enum lang lang)
{
	const struct page page = { .f = f, .lang = lang };
	bool first = true;

	buf_str(out, "{\"charts\":[");
	for (int c = 0; c < CHART_COUNT; c++) {
		if (!chart_occurs(f, c))
			continue;
		if (!first)
			buf_char(out, ',');
		first = false;
		add_chart(out, f, c, lang);
	}
	buf_str(out, "],\"model\":");
	page_model(out, &page);
	buf_char(out, '}');
}

void live_page_series(struct buf *out, const struct series *s)
{
	page_series(out, s, NULL);
}

void live_page_words(struct buf *out, enum lang lang)
{
	bool first = true;

	buf_str(out, "{");
	add_string(out, "lang", lang == LANG_ZH ? "zh-CN" : "en");
	buf_str(out, ",\"version\":\"" RWKVMON_VERSION "\",\"text\":{");
#define TEXT(name, en, zh)                                                                                            \
	if (!strncmp(#name, "LIVE_", 5)) {                                                                            \
		buf_str(out, first ? "" : ",");                                                                       \
		add_string(out, #name, text(TEXT_##name, lang));                                                      \
		first = false;                                                                                        \
	}
#include "spec/text.def"
#undef TEXT
	buf_str(out, "}}");
}
