/* charts.h - the chart templates of charts.def as data.
 *
 * Ownership  everything is constant and lives as long as the program.
 * Units      a limit is in its metric's unit; lines of one panel share a unit.
 */
#ifndef RWKVMON_SPEC_CHARTS_H
#define RWKVMON_SPEC_CHARTS_H

#include "spec/alarms.h"
#include "spec/diagnosis.h"
#include "spec/metrics.h"

enum chart_id {
#define CHART(name, ...) CHART_##name,
#include "spec/charts.def"
	CHART_COUNT
};

enum panel_id {
#define PANEL(name, ...) PANEL_##name,
#include "spec/charts.def"
	PANEL_COUNT
};

enum panel_kind {
	PANEL_KIND_TIME,
	PANEL_KIND_PREFILL_HISTOGRAM,
	PANEL_KIND_DECODE_HISTOGRAM,
	PANEL_KIND_OTHER_HISTOGRAM
};
enum line_style { LINE_MEAN, LINE_BAND };
enum limit_side { LIMIT_OVER, LIMIT_UNDER };

struct chart_spec {
	const char *id; /* "performance_trends" */
	const char *title[LANG_COUNT], *question[LANG_COUNT];
};

struct panel_spec {
	const char *id; /* "LATENCY" */
	enum chart_id chart;
	enum panel_kind kind;
	const char *title[LANG_COUNT];
};

struct line_spec {
	enum panel_id panel;
	enum metric_id metric;
	enum line_style style;
};

struct limit_spec {
	enum panel_id panel;
	enum metric_id metric;
	enum limit_side side; /* the side on which values are bad */
	enum threshold_id threshold;
};

extern const struct chart_spec chart_specs[CHART_COUNT];
extern const struct panel_spec panel_specs[PANEL_COUNT];
extern const struct line_spec line_specs[]; /* by panel, in the order they are drawn */
extern const size_t line_spec_count;
extern const struct limit_spec limit_specs[]; /* by panel */
extern const size_t limit_spec_count;

/* The phase of the calls in a histogram panel; PHASE_COUNT for a panel over time. */
enum phase panel_phase(enum panel_id panel);

#endif
