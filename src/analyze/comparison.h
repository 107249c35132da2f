/* comparison.h - the result of a comparison, from which its text, Markdown and JSON are made.
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
	double a, b;                                  /* by run: of a typical run, the mean over a side's runs */
	double difference, low, high;                 /* b - a, and its 95 % confidence interval */
	double relative, relative_low, relative_high; /* the same over |a|; infinite, or 0, when a is 0 */
	double chance;                                /* of so large a difference, or a larger one, between equals */
};

enum difference_verdict {
	DIFFERENCE_UNKNOWN, /* undecided: see enum difference_reason */
	DIFFERENCE_NONE,    /* the interval holds 0, or the difference is too small to matter */
	DIFFERENCE_IN_RUNS, /* these runs differ, but they are too few to tell whether other runs would */
	DIFFERENCE_BETTER,  /* B is faster, smaller, … */
	DIFFERENCE_WORSE,
	DIFFERENCE_HIGHER, /* for metrics that have no better direction */
	DIFFERENCE_LOWER,
	DIFFERENCE_VERDICTS
};

/* Why a difference is undecided, or not attributed to the change. */
enum difference_reason {
	REASON_NONE,
	REASON_FEW_STEPS,   /* fewer than 20 on a side, or none */
	REASON_FEW_SAMPLES, /* the metric is sampled seldom: a sample that is repeated in every record counts once */
	REASON_SHORT_RUNS,  /* steps are correlated with steps long before them: too few are independent */
	REASON_WIDE,        /* the interval holds 0 and changes that matter */
	REASON_FEW_RUNS,    /* fewer than 3 on a side */
	REASON_MANY,        /* one of many metrics: with so many, such a difference comes about by chance */
	DIFFERENCE_REASONS
};

struct difference {
	enum metric_id metric;
	enum phase phase;
	struct summary a, b; /* warm-up left out */
	struct estimate of[COMPARED_COUNT];
	double cliffs_delta;   /* P(b > a) - P(b < a) of two steps drawn at random: -1..1 */
	double independent[2]; /* runs of a side, or stretches of its steps, that the median's interval counts; NAN
				  unknown */
	enum difference_verdict median, p95;
	enum difference_reason reason; /* of the median's verdict */
};

struct compared_side {
	uint64_t sessions, records; /* steps compared */
	uint64_t left_out;          /* steps of the warm-up */
	uint64_t failed_requests;   /* whose durations are not compared */
	size_t units;               /* that the intervals come from: runs, or blocks of steps in a row */
	size_t runs;                /* sessions, those counted once that one process served at the same time */
};

struct comparison {
	struct arena arena;
	struct compared_side side[2];
	bool by_run;            /* units are runs: the interval holds what differs from run to run */
	struct difference *row; /* (n): metrics that both sides have, in one phase each */
	size_t n;
	const struct difference *deciding; /* the row the verdict is about: speed of decoding, or of prompts where
					    * decoding does not differ, and they do or may; NULL: none */
	enum difference_verdict verdict;
};

/* The row of a metric in that phase; PHASE_UNKNOWN: decode, else steps that do not say, else prefill. NULL: none. */
const struct difference *comparison_row(const struct comparison *c, enum metric_id m, enum phase phase);

void comparison_free(struct comparison *c);

#endif
