/* compare_side.h - the inside of one side of a comparison: blocks of steps. */
#ifndef RWKVMON_ANALYZE_COMPARE_SIDE_H
#define RWKVMON_ANALYZE_COMPARE_SIDE_H

#include "analyze/compare.h"
#include "analyze/sessions.h"
#include "analyze/tracks.h"

/* Steps of a session in a row: those whose number / block_steps is `number`. */
struct compare_block {
	uint32_t session, number;
	struct tracks phase[PHASE_COUNT];
};

struct compare_session {
	uint64_t steps; /* seen, warm-up included */
	struct compare_block *open; /* NULL: to be looked for */
};

struct compare_side {
	uint64_t warmup, left_out, records;
	struct sessions sessions;
	struct compare_session *session; /* (n_session), by index; the last stands for all that are not listed */
	size_t n_session;
	struct compare_block *block[COMPARE_BLOCKS + 1]; /* (n), by session, then by number */
	size_t n;
	uint64_t block_steps; /* a power of two times the first size */
	int joined;	      /* sessions of one number >> joined share their blocks */
	bool failed;
};

bool compare_side_failed(const struct compare_side *s);

#endif
