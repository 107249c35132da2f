/* pairs.h - the pairs of pairs.def as data. */
#ifndef RWKVMON_SPEC_PAIRS_H
#define RWKVMON_SPEC_PAIRS_H

#include "spec/metrics.h"

enum pair_id {
#define PAIR(a, b, ...) PAIR_##a##_##b,
#include "spec/pairs.def"
#undef PAIR
	PAIR_COUNT
};

/* Columns of a step that can be correlated: the metrics, then these. */
enum pair_column { M_POSITION = METRIC_COUNT, PAIR_COLUMNS };

enum pair_sign { PAIR_UP, PAIR_DOWN, PAIR_ANY };

struct pair_spec {
	int a, b;            /* enum metric_id, or M_POSITION */
	enum pair_sign sign; /* sign of the correlation that `meaning` describes */
	const char *meaning[LANG_COUNT];
};

extern const struct pair_spec pair_specs[PAIR_COUNT];

/* "token_latency_ms", "sequence_length". */
const char *pair_column_id(int column);
const char *pair_column_label(int column, enum lang lang);

#endif
