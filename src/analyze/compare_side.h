/* compare_side.h - the inside of one side of a comparison: blocks of steps. */
#ifndef RWKVMON_ANALYZE_COMPARE_SIDE_H
#define RWKVMON_ANALYZE_COMPARE_SIDE_H

#include "analyze/compare.h"
#include "analyze/metric_stats.h"
#include "analyze/sessions.h"

/* Steps of a session in a row: those whose number / block_steps is `number`. */
struct compare_block {
	uint32_t session, number;
	struct metric_stats phase[PHASE_COUNT];
};

struct compare_session {
	uint64_t steps;             /* seen, warm-up included */
	struct compare_block *open; /* NULL: to be looked for */
	uint64_t instance;          /* hash; of unknown ones, that of no text */
	uint64_t from, to;          /* steps of the side before its first one, and before its last one */
};

/* Values of a metric that is sampled seldom and repeated in every record: a repeated value is one sample. */
struct compare_samples {
	double last;
	uint64_t n;
};

struct compare_side {
	uint64_t warmup, left_out, records, failed_requests;
	struct sessions sessions;
	struct compare_session *session; /* (n_session), by index; the last stands for all that are not listed */
	size_t n_session;
	struct compare_block *block[COMPARE_BLOCKS + 1]; /* (n), by session, then by number */
	size_t n;
	struct compare_samples samples[PHASE_COUNT][METRIC_COUNT];
	uint64_t block_steps; /* a power of two times the first size */
	int joined;           /* sessions of one number >> joined share their blocks */
	bool failed;
};

bool compare_side_failed(const struct compare_side *s);

/* Numbers the runs from 0: run[i] is that of block i. Sessions of one instance whose steps lie between each other's are
 * of one run; where sessions share blocks, so are those that do. Returns how many there are. */
size_t compare_side_runs(const struct compare_side *s, uint32_t run[COMPARE_BLOCKS]);

#endif
