/* web_files.h - what the pages are made of: the files of web/ and the chart library, embedded by cmake/web.cmake. */
#ifndef RWKVMON_REPORT_WEB_FILES_H
#define RWKVMON_REPORT_WEB_FILES_H

#define WEB_FILE(symbol) ((struct slice){ symbol, (size_t)(symbol##_end - symbol) })

extern const char web_head_html[], web_head_html_end[]; /* what the pages that are files begin with */
extern const char web_report_html[], web_report_html_end[];
extern const char web_report_css[], web_report_css_end[];
extern const char web_charts_js[], web_charts_js_end[];
extern const char web_report_js[], web_report_js_end[];
extern const char web_tune_html[], web_tune_html_end[];
extern const char web_tune_css[], web_tune_css_end[];
extern const char web_live_html[], web_live_html_end[];
extern const char web_live_js[], web_live_js_end[];
extern const char web_live_css[], web_live_css_end[];
extern const char web_uplot_js[], web_uplot_js_end[];
extern const char web_uplot_css[], web_uplot_css_end[];
extern const char web_uplot_licence[], web_uplot_licence_end[];

#endif
