/* batch.h - a batch of records in order: the steps of each session side by side, for loops over one session's columns.
 *
 * The log's order stays known. What is no step cuts a batch into parts, because it may change how later steps are taken.
 *
 * Ownership  borrows the columns it was made of.
 */
#ifndef RWKVMON_ANALYZE_BATCH_H
#define RWKVMON_ANALYZE_BATCH_H

#include "analyze/analyze.h"
#include "record/columns.h"

/* Where steps' numbers go, as analyze_place has decided. */
struct place {
	int32_t session; /* index of the listed session; PLACE_OTHERS, PLACE_NOWHERE */
	bool has_series; /* the session keeps a series of its own */
};

enum { PLACE_OTHERS = -1, PLACE_NOWHERE = -2 };

struct session;

/* Rows of one session in the log's order: from..from + n of `rows`. */
struct batch_run {
	struct slice id; /* cut to SESSION_TEXT_MAX */
	uint16_t from, n;
	struct held held;
	bool one_phase, one_count; /* all of them have the same phase; the same number of tokens */
	struct session *session;
	struct place place;
};

/* Steps that follow each other in the log, and the record that is none after them. */
struct batch_part {
	uint16_t run, n_runs;
	uint16_t from, n; /* rows */
	int event;	  /* row of `log`; -1: none */
};

struct batch {
	const struct columns *log;  /* as they came */
	const struct columns *rows; /* steps alone: by part, then by run */
	size_t n_parts, n_runs;
	struct batch_part part[COLUMNS_WHOLE + 1];
	struct batch_run run[COLUMNS_ROWS];
	uint16_t in_order[COLUMNS_ROWS]; /* (part.from, part.n) rows in the log's order */
	uint16_t run_of[COLUMNS_ROWS];	 /* by row */
	struct columns sorted;		 /* what `rows` is, unless it is `log` */
};

/* Takes the records that are wanted. */
void batch_sort(struct batch *b, const struct columns *log, const struct analyze_options *wanted);

#endif
