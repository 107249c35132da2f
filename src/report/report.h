/* report.h - findings as text for people and programs.
 *
 * Ownership  writers append to *out and keep nothing; the findings are only read.
 * Errors     out->failed tells whether memory was enough.
 */
#ifndef RWKVMON_REPORT_REPORT_H
#define RWKVMON_REPORT_REPORT_H

#include "analyze/findings.h"
#include "base/buf.h"
#include "spec/lang.h"

struct report_options {
	enum lang lang;
};

/* One offline page under 2 MB whatever the findings hold: verdict, charts, tables, raw JSON. */
void report_html(struct buf *out, const struct findings *f, const struct report_options *o);

#endif
