/* gnuplot.h - the chart templates as scripts for gnuplot: the same declarations that the page draws.
 *
 * Ownership  appends to *out. A script holds its data and writes one picture. */
#ifndef RWKVMON_REPORT_GNUPLOT_H
#define RWKVMON_REPORT_GNUPLOT_H

#include "report/report.h"
#include "spec/charts.h"

enum picture { PICTURE_PNG, PICTURE_SVG, PICTURE_COUNT };

extern const char *const picture_names[PICTURE_COUNT]; /* "png", "svg": also the names' endings */

/* False when the log has nothing that this chart shows; then nothing is written. `path` holds no line break. */
bool gnuplot_chart(struct buf *out, const struct findings *f, enum chart_id chart, enum picture kind, const char *path,
		   enum lang lang);

#endif
