/* sample.h - a uniform sample of the steps that are no prefill, and how its columns move together.
 *
 * Each step has a number that is as good as drawn by lot, made from what it holds; the SAMPLE_STEPS smallest are kept.
 * So the sample depends on the steps alone, whoever adds them in what order; up to SAMPLE_STEPS it is all of them.
 *
 * Ownership  a zeroed struct is empty; sample_free releases.
 */
#ifndef RWKVMON_ANALYZE_SAMPLE_H
#define RWKVMON_ANALYZE_SAMPLE_H

#include "analyze/findings.h"
#include "record/columns.h"

enum { SAMPLE_STEPS = 2048 };

struct sample_step {
	uint64_t lot;
	uint64_t have;
	uint64_t sequence_length; /* 0: unknown */
	double metric[METRIC_COUNT]; /* 0 where unknown */
};

struct sample_lot {
	uint64_t lot;
	size_t step; /* which has drawn it */
};

struct sample {
	struct sample_step *step; /* (n of cap) */
	struct sample_lot *heap;  /* (n of cap): the greatest lot first */
	size_t n, cap;
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
