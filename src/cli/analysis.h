/* analysis.h - what all commands that analyse logs share: reading the logs, writing the result. */
#ifndef RWKVMON_CLI_ANALYSIS_H
#define RWKVMON_CLI_ANALYSIS_H

#include "analyze/analyze.h"
#include "analyze/diagnose.h"
#include "cli/parallel_read.h"
#include "report/report.h"
#include "spec/options.h"

typedef void report_fn(struct buf *out, const struct findings *f, const struct report_options *opts);

struct format {
	const char *name;
	report_fn *draw;
};

/* Looks --format up in the list, which ends with a NULL name. NULL: there is none, and *err lists the names. Without
 * it: what the ending of --output names, otherwise the first. */
const struct format *format_find(const struct format *list, const struct options *opts, struct err *err);

/* "html" of "report.html"; "" of what names no format. */
const char *format_of_ending(const char *path);
/* Of a command that answers in text or in JSON: as told, otherwise by the output's name. */
bool answer_is_json(const struct options *opts);

/* Logs to be read as one. */
struct log_set {
	const char *const *path; /* (n) */
	size_t n;
	const struct mapping *map;            /* NULL: they are ours */
	const struct read_observer *observer; /* NULL: none */
};

/* Reads them, or with --merge the parts that they are, into the analysis, with the threads, the progress and the
 * patience that the options ask for. */
int analysis_read_logs(struct analysis *a, const struct log_set *logs, const struct options *opts, struct findings *out,
		       struct err *err);

/* Reads the logs that the options name, in the way that the options say; *how holds what the command wants in
 * addition. */
int analysis_read(const struct options *opts, struct analyze_options *how, struct findings *out, struct err *err);

/* --partial: writes what an analysis needs from the logs into the file that --output names. */
int analysis_write_part(const struct options *opts, struct err *err);

/* On standard error, what was not read: for commands whose report does not list it. */
/* The paths of the mapping file that gave no value, on standard error unless --quiet. NULL: there is no such file. */
void analysis_tell_unread(const struct options *opts, const struct mapping *map);
void analysis_tell_skipped(const struct options *opts, uint64_t lines, const struct skipped_line *first);

/* Draws and writes where --output says. */
int analysis_write(const struct format *format, const struct options *opts, const struct findings *f, struct err *err);

/* From here on the first Ctrl-C is noted, and the second ends the program. */
void analysis_catch_interrupts(void);
bool analysis_interrupted(void *ctx);

/* The rule set that --rules names, or the default one; "none" is NULL, by which nothing is judged. */
int analysis_rules(struct ruleset **out, const struct options *opts, struct err *err);

/* The time that --since or --until names; *out stays where there is none. */
int analysis_parse_time(int64_t *out, const char *option, const char *text, struct err *err);

/* What --bandwidth, --goal and --rules say. */
int analysis_told(struct diagnose_options *out, const struct options *opts, struct err *err);

#endif
