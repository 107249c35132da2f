/* analysis.h - what every command does that reads logs and answers: read them, write the answer. */
#ifndef RWKVMON_CLI_ANALYSIS_H
#define RWKVMON_CLI_ANALYSIS_H

#include "analyze/analyze.h"
#include "analyze/diagnose.h"
#include "cli/crew.h"
#include "report/report.h"
#include "spec/options.h"

typedef void report_fn(struct buf *out, const struct findings *f, const struct report_options *opts);

struct format {
	const char *name;
	report_fn *draw;
};

/* Of the list that ends with a NULL name; NULL: *err lists what there is. No name is the first. */
const struct format *format_find(const struct format *list, const char *name, struct err *err);

/* Logs to be read as one. */
struct log_set {
	const char *const *path; /* (n) */
	size_t n;
	const struct mapping *map;	    /* NULL: they are ours */
	const struct crew_witness *witness; /* NULL: none */
};

/* Reads them into the analysis, with the threads, the progress and the patience that the options ask for. */
int analysis_read_logs(struct analysis *a, const struct log_set *logs, const struct options *opts, struct findings *out,
		       struct err *err);

/* Reads the logs that the options name, as they say; *how has what the command wants beside. */
int analysis_read(const struct options *opts, struct analyze_options *how, struct findings *out, struct err *err);

/* Draws and writes where --output says. `diagnosis` may be NULL. */
int analysis_write(report_fn *draw, const struct options *opts, const struct findings *f, const struct diagnosis *diagnosis,
		   struct err *err);

/* Walks the tree with what --bandwidth says. */
int analysis_diagnose(struct diagnosis *out, const struct findings *f, const struct options *opts, struct err *err);

#endif
