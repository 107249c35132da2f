/* comparison.h - what a comparison found: the one thing that its text, Markdown and JSON are drawn from.
 *
 * Ownership  everything lives in the comparison's arena; comparison_free releases all of it.
 * Units      values and differences in the metric's unit, relative ones as shares of A (0.05 is 5 %).
 * Unknown    NAN.
 */
#ifndef RWKVMON_ANALYZE_COMPARISON_H
#define RWKVMON_ANALYZE_COMPARISON_H

#include "analyze/findings.h"

/* Statistics whose difference has a confidence interval. */
enum compared { COMPARED_MEDIAN, COMPARED_P95, COMPARED_P90, COMPARED_P99, COMPARED_MEAN, COMPARED_COUNT };

struct estimate {
	double a, b;
	double difference, low, high; /* b - a, and its 95 % confidence interval */
	double relative, relative_low, relative_high; /* the same over |a|; NAN when a is 0 */
};

enum difference_verdict {
	DIFFERENCE_UNKNOWN, /* too few steps, or sides without any */
	DIFFERENCE_NONE,    /* the interval holds 0, or the difference is too small to matter */
	DIFFERENCE_BETTER,  /* B is faster, smaller, … */
	DIFFERENCE_WORSE,
	DIFFERENCE_HIGHER,  /* of metrics that have no better side */
	DIFFERENCE_LOWER,
	DIFFERENCE_VERDICTS
};

struct difference {
	enum metric_id metric;
	enum phase phase;
	struct summary a, b; /* warm-up left out */
	struct estimate of[COMPARED_COUNT];
	double cliffs_delta; /* P(b > a) - P(b < a) of two steps drawn at random: -1..1 */
	enum difference_verdict median, p95;
};

struct compared_side {
	uint64_t sessions, records; /* steps compared */
	uint64_t left_out;	    /* steps of the warm-up */
	size_t units;		    /* that were drawn from: sessions, or blocks of steps in a row */
};

struct comparison {
	struct arena arena;
	struct compared_side side[2];
	bool by_session; /* units are sessions, so that the interval holds what differs from run to run */
	struct difference *row; /* (n): metrics that both sides have, in one phase each */
	size_t n;
	const struct difference *deciding; /* the row the verdict is about: speed of decoding; NULL: none */
	enum difference_verdict verdict;
};

/* The row of a metric in that phase; PHASE_UNKNOWN: decode, else steps that do not say, else prefill. NULL: none. */
const struct difference *comparison_row(const struct comparison *c, enum metric_id m, enum phase phase);

void comparison_free(struct comparison *c);

#endif
