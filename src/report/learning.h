/* learning.h - the result of training a model, for a terminal and as JSON. */
#ifndef RWKVMON_REPORT_LEARNING_H
#define RWKVMON_REPORT_LEARNING_H

#include "analyze/learning.h"
#include "report/report.h"

struct learning_result {
	const char *path; /* where the model was written */
	size_t weights;
	const struct learning *from;
	struct learn_progress end;
	struct learning_row row[TRAINED_METRICS_MAX]; /* (n_rows) */
	size_t n_rows;
};

void report_learning_text(struct buf *out, const struct learning_result *r, const struct report_options *opts);
void report_learning_json(struct buf *out, const struct learning_result *r);

#endif
