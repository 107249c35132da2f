# The report page: template, style and script as they are edited, and the chart library
# from npm, all embedded into rwkvmon_core for report/html.c.
set(UPLOT ${CMAKE_SOURCE_DIR}/web/node_modules/uplot)
if(NOT EXISTS ${UPLOT}/dist/uPlot.iife.min.js)
	message(FATAL_ERROR "The report page's chart library is missing. Run:  npm --prefix web ci")
endif()
embed_files(rwkvmon_core
	web_head_html=${CMAKE_SOURCE_DIR}/web/head.html
	web_report_html=${CMAKE_SOURCE_DIR}/web/report.html
	web_report_css=${CMAKE_SOURCE_DIR}/web/report.css
	web_charts_js=${CMAKE_SOURCE_DIR}/web/charts.js
	web_report_js=${CMAKE_SOURCE_DIR}/web/report.js
	web_tune_html=${CMAKE_SOURCE_DIR}/web/tune.html
	web_tune_css=${CMAKE_SOURCE_DIR}/web/tune.css
	web_live_html=${CMAKE_SOURCE_DIR}/web/live.html
	web_live_css=${CMAKE_SOURCE_DIR}/web/live.css
	web_live_js=${CMAKE_SOURCE_DIR}/web/live.js
	web_uplot_js=${UPLOT}/dist/uPlot.iife.min.js
	web_uplot_css=${UPLOT}/dist/uPlot.min.css
	web_uplot_licence=${UPLOT}/LICENSE)
