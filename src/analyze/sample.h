/* sample.h - a uniform sample of all steps except prefill, and the correlations of its columns.
 *
 * Each step has a pseudo-random number computed from its contents; the SAMPLE_STEPS smallest are kept. So the sample
 * depends only on the steps, not on the thread or order in which they are added; up to SAMPLE_STEPS steps, it contains
 * all of them.
 *
 * Ownership  a zeroed struct is empty; sample_free releases.
 */
#ifndef RWKVMON_ANALYZE_SAMPLE_H
#define RWKVMON_ANALYZE_SAMPLE_H

#include "analyze/findings.h"
#include "record/columns.h"
#include "spec/pairs.h"

/* The metrics that stand in a pair. */
#define PAIR(a, b, ...) | UINT64_C(1) << M_##a | UINT64_C(1) << M_##b
static const uint64_t sample_metrics = (0
#include "spec/pairs.def"
					) &
				       ~(UINT64_C(1) << M_POSITION);

enum {
	SAMPLE_STEPS = 2048,
	SAMPLE_ROOM = 2 * SAMPLE_STEPS, /* when it is full, those with larger lots go */
	SAMPLE_METRICS = __builtin_popcountll((0
#include "spec/pairs.def"
					       ) &
					      ~(UINT64_C(1) << M_POSITION))
};
#undef PAIR

struct sample_step {
	uint64_t lot;
	int64_t time_us;
	uint64_t have;                 /* of all metrics */
	uint64_t sequence_length;      /* 0: unknown */
	double metric[SAMPLE_METRICS]; /* sample_metrics in order; unset where unknown */
};

struct sample {
	struct sample_step *step; /* (n of cap), the smallest lots among them */
	size_t n, cap;
	uint64_t limit; /* only lots below it are among the smallest; 0: any may be */
	uint64_t seen;
	bool failed;
};

/* [hot] Rows from.. of c: one hash and one compare for most steps. */
void sample_add(struct sample *s, const struct columns *c, size_t from, size_t n);
void sample_merge(struct sample *into, const struct sample *from);
void sample_free(struct sample *s);

/* Of every pair in pairs.def that has at least 8 steps and varies; the strongest first. At most PAIR_COUNT. */
size_t sample_correlations(const struct sample *s, struct correlation out[PAIR_COUNT]);

#endif
