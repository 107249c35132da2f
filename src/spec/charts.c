/* charts.c - the rows of charts.def. */
#include "spec/charts.h"

const struct chart_spec chart_specs[CHART_COUNT] = {
#define CHART(name, id_, en, zh, question_en, question_zh)                                                             \
	[CHART_##name] = { .id = id_, .title = { en, zh }, .question = { question_en, question_zh } },
#include "spec/charts.def"
};

const struct panel_spec panel_specs[PANEL_COUNT] = {
#define PANEL(name, chart_, kind_, en, zh)                                                                             \
	[PANEL_##name] = { .id = #name, .chart = CHART_##chart_, .kind = PANEL_KIND_##kind_, .title = { en, zh } },
#include "spec/charts.def"
};

const struct line_spec line_specs[] = {
#define LINE(panel_, metric_, style_) { .panel = PANEL_##panel_, .metric = M_##metric_, .style = LINE_##style_ },
#include "spec/charts.def"
};
const size_t line_spec_count = sizeof line_specs / sizeof *line_specs;

const struct limit_spec limit_specs[] = {
#define LIMIT(panel_, metric_, side_, threshold_)                                                                      \
	{ .panel = PANEL_##panel_, .metric = M_##metric_, .side = LIMIT_##side_, .threshold = T_##threshold_ },
#include "spec/charts.def"
};
const size_t limit_spec_count = sizeof limit_specs / sizeof *limit_specs;

enum phase panel_phase(enum panel_id panel)
{
	switch (panel_specs[panel].kind) {
	case PANEL_KIND_PREFILL_HISTOGRAM:
		return PHASE_PREFILL;
	case PANEL_KIND_DECODE_HISTOGRAM:
		return PHASE_DECODE;
	case PANEL_KIND_OTHER_HISTOGRAM:
		return PHASE_UNKNOWN;
	case PANEL_KIND_TIME:
		break;
	}
	return PHASE_COUNT;
}
