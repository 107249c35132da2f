/* dashboard.h - the Grafana dashboard of dashboard.def as data: rows, panels and their queries, in order. */
#ifndef RWKVMON_SPEC_DASHBOARD_H
#define RWKVMON_SPEC_DASHBOARD_H

#include "spec/metrics.h"

#include <stddef.h>

enum dashboard_item_kind {
	DASH_ROW,
	DASH_STAT,
	DASH_SERIES,
	DASH_HEATMAP,
	DASH_GRID,
	DASH_TIMELINE,
	DASH_TABLE,
	DASH_TARGET
};

struct dashboard_item {
	enum dashboard_item_kind kind;
	int width, height;                               /* panels */
	const char *unit;                                /* panels */
	enum metric_id metric;                           /* panels: the metric whose limits are the thresholds;
							  * METRIC_COUNT: none */
	double scale;                                    /* panels: factor on those limits */
	const char *title[LANG_COUNT], *say[LANG_COUNT]; /* rows: title only */
	const char *expression, *legend;                 /* targets */
};

extern const struct dashboard_item dashboard_items[];
extern const size_t dashboard_item_count;

#endif
