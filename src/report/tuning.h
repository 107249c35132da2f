/* tuning.h - what `tune` measured, as text, as JSON, as a page, and its choice as a file of settings. */
#ifndef RWKVMON_REPORT_TUNING_H
#define RWKVMON_REPORT_TUNING_H

#include "analyze/tuning.h"
#include "report/report.h"

void report_tuning_text(struct buf *out, const struct tuning *t, const struct report_options *opts);
void report_tuning_json(struct buf *out, const struct tuning *t);

/* One file: the choice, what was measured as plots with the Pareto front and as tables, and the JSON. It needs no
 * script. */
void report_tuning_html(struct buf *out, const struct tuning *t, const struct report_options *opts);

/* The same from a log alone: what its sessions show, and what a log cannot show. */
void report_tuning_log_text(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_tuning_log_json(struct buf *out, const struct findings *f, const struct report_options *opts);

/* For --settings; nothing when none was chosen. */
void report_tuning_settings(struct buf *out, const struct tuning *t);

/* The chosen setting; NULL: none. */
const struct tuning_candidate *tuning_chosen(const struct tuning *t);

#endif
