/* tuning_plot.h - settings of a heat as points: speed against memory or divergence, with the Pareto front. SVG.
 *
 * Ownership  all is borrowed; *out is appended to.
 */
#ifndef RWKVMON_REPORT_TUNING_PLOT_H
#define RWKVMON_REPORT_TUNING_PLOT_H

#include "analyze/tuning.h"
#include "base/buf.h"
#include "spec/lang.h"

enum tuning_axis { TUNING_MEMORY, TUNING_DIVERGENCE, TUNING_AXES };

/* Do the measured settings differ in it? If not, a plot would be a column of points. */
bool tuning_plot_tells(const struct tuning_heat *h, enum tuning_axis axis);

/* Points are numbered in tuning_order, from 1. */
void tuning_plot(struct buf *out, const struct tuning_heat *h, const struct tuning_limits *limits,
		 enum tuning_axis axis, enum lang lang);

#endif
