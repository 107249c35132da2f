/* batch.h - sorts a batch of records so that the steps of each session are consecutive, for loops over one session's
 * columns.
 *
 * The log's order is kept. A record that is not a step divides a batch into parts, because it may change how later
 * steps are processed.
 *
 * Ownership  borrows the columns it was made of.
 */
#ifndef RWKVMON_ANALYZE_BATCH_H
#define RWKVMON_ANALYZE_BATCH_H

#include "analyze/analyze.h"
#include "record/columns.h"
#include "record/decode_known.h"

/* Where steps' numbers go, as analyze_in_order has decided. */
struct place {
	int32_t session; /* index of the listed session; PLACE_OTHERS, PLACE_NOWHERE */
	bool has_series; /* the session keeps a series of its own */
};

enum { PLACE_OTHERS = -1, PLACE_NOWHERE = -2 };

struct session;

/* Rows of one id and instance in the log's order: from..from + n of `rows`, at most RANGE_MOST. */
struct batch_run {
	struct slice id;                 /* cut to SESSION_TEXT_MAX */
	const struct field_values *said; /* by its latest row: names the instance, or none */
	uint16_t from, n;
	uint16_t who, pair; /* who's rows; the place in `pair` */
	bool goes_on;       /* is the `next` of another one */
	struct held held;
	bool one_phase, one_count; /* all of them have the same phase; the same number of tokens */
	struct session *session;
	struct place place;
	int next; /* run of the same session in its part; -1: none */
};

static inline struct slice batch_instance(const struct batch_run *run)
{
	return fields_text(run->said, F_INSTANCE);
}

/* Steps that follow each other in the log, of at most PART_SESSIONS sessions, and the record that is none after them.
 */
enum {
	PAIR_SLOTS = 2 * COLUMNS_ROWS,
	PART_SESSIONS = 1024,
	BATCH_PARTS_MAX = COLUMNS_WHOLE + 1 + COLUMNS_ROWS / PART_SESSIONS
};

struct batch_part {
	uint16_t run, n_runs;
	uint16_t from, n; /* rows */
	int event;        /* row of `log`; -1: none */
};

struct batch {
	const struct columns *log;  /* as they came */
	const struct columns *rows; /* steps alone: by part, then by run */
	size_t n_parts, n_runs;
	size_t n_sessions; /* of the part being sorted */
	struct batch_part part[BATCH_PARTS_MAX];
	struct batch_run run[COLUMNS_ROWS];
	uint16_t in_order[COLUMNS_ROWS]; /* (part.from, part.n) rows in the log's order */
	uint16_t run_of[COLUMNS_ROWS];   /* the run of each, in the same order */
	uint16_t slot[KNOWN_SESSIONS];   /* by `who`: 1 + the latest run of the part being sorted; 0: none */
	uint16_t pair[PAIR_SLOTS];       /* by `who` and instance, open addressing: the same */
	uint16_t taken[COLUMNS_ROWS];    /* what row of `log` each is: what goes by the log's order reads these */
	uint16_t row[COLUMNS_ROWS];      /* of the log, by row */
	struct columns sorted;           /* what `rows` is, unless it is `log` */
};

/* A zeroed one. NULL: no memory. */
struct batch *batch_open(void);

/* The number of rows per batch that makes processing by columns worthwhile, if the next rows are like these. */
size_t batch_rows_wanted(const struct batch *b);

/* Are runs i and k of a part of two sessions as they are written, of one as they are counted? Then k and those after it
 * come after i and its. */
bool batch_join(struct batch *b, int i, int k);

/* Takes the records that are wanted. */
void batch_sort(struct batch *b, const struct columns *log, const struct analyze_options *wanted);

#endif
