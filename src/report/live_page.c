/* live_page.c - the page's model and words as JSON. */
#include "report/live_page.h"

#include "report/fleet.h"
#include "report/page.h"
#include "report/verdict_text.h"
#include "report/web_files.h"

void live_file_add(struct buf *out, enum live_file file)
{
	const struct slice parts[LIVE_FILES][4] = {
		[LIVE_HTML] = { WEB_FILE(web_live_html) },
		[LIVE_CSS] = { WEB_FILE(web_uplot_css), WEB_FILE(web_report_css), WEB_FILE(web_live_css) },
		[LIVE_JS] = { WEB_FILE(web_uplot_js), WEB_FILE(web_charts_js), WEB_FILE(web_live_js) },
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
	jw_put_object(out, "verdict");
	for (int v = 0; v < VERDICT_COUNT; v++)
		jw_put_text(out, verdict_ids[v], text(verdict_word((enum verdict)v), lang));
	jw_end(out);
	jw_put_object(out, "state");
	for (int s = 0; s < INSTANCE_STATE_COUNT; s++)
		jw_put_text(out, instance_state_ids[s], text(instance_state_word((enum instance_state)s), lang));
	jw_end(out);
	jw_end(out);
}
