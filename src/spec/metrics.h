/* metrics.h - the metric table of metrics.def as data. */
#ifndef RWKVMON_SPEC_METRICS_H
#define RWKVMON_SPEC_METRICS_H

#include "base/slice.h"
#include "spec/lang.h"

#include <stdint.h>

enum metric_group { METRIC_PERFORMANCE, METRIC_RESOURCES, METRIC_ACCURACY, METRIC_GROUP_COUNT };

enum metric_better { BETTER_LOWER, BETTER_HIGHER, BETTER_NEITHER };

enum metric_id {
#define METRIC(core, name, ...) M_##name,
#include "spec/metrics.def"
#undef METRIC
	METRIC_COUNT
};

struct metric_spec {
	bool core; /* one of the 12 published metrics */
	enum metric_group group;
	const char *id;   /* published: "logits_entropy" */
	const char *key;  /* path below the group, "decay_half_life_tokens.p50" */
	const char *unit; /* "" for pure numbers */
	int decimals;     /* in the log */
	double scale;     /* 10^decimals */
	enum metric_better better;
	const char *label[LANG_COUNT];
	const char *help[LANG_COUNT];
};

extern const struct metric_spec metric_specs[METRIC_COUNT];
extern const char *const metric_group_keys[METRIC_GROUP_COUNT]; /* "performance", … */

/* The metric with that published id, or METRIC_COUNT. */
enum metric_id metric_by_id(struct slice id);

/* Similarities crowd at 1: what counts is how far they are from it. */
bool metric_is_similarity(enum metric_id m);

/* Metrics of which no step measures exactly 0: the published format writes 0 where it knows no value. As bits. */
static const uint64_t metrics_zero_unknown = UINT64_C(1) << M_STATE_SIMILARITY;

/* The nearest value that the metric can have; used for drawing a fitted line. */
double metric_possible(enum metric_id m, double value);

/* The value rounded to the decimals that the log keeps. */
double metric_as_logged(enum metric_id m, double value);

static inline uint64_t metric_bit(enum metric_id m)
{
	return UINT64_C(1) << m;
}

#endif
