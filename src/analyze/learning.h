/* learning.h - the points that a model is trained on come from logs, and what it is worth is judged on those left out.
 *
 * What an alarm was about is unknown to who learns: the log's own alarms, and those of the rules that the analysis
 * judges by, from where they began to where they ended.
 */
#ifndef RWKVMON_ANALYZE_LEARNING_H
#define RWKVMON_ANALYZE_LEARNING_H

#include "analyze/findings.h"
#include "forecast/forecast.h"
#include "learn/train.h"
#include "record/columns.h"
#include "spec/metrics.h"

struct stated_limits; /* analyze/foreseen.h */

enum { FIRED_MAX = 4096 };

/* A time in which an alarm was on. */
struct fired {
	enum alarm_type type;
	int64_t from_us, to_us; /* INT64_MAX: not ended */
};

struct learning {
	struct learn_set set;
	enum metric_id metric[LEARN_METRICS_MAX]; /* (set.n_metrics) */
	struct fired fired[FIRED_MAX];            /* (n_fired): alarms of the log being read */
	size_t n_fired;
	int64_t flooded_us;       /* there were more: from then on all counts as fired; INT64_MAX: there were not */
	uint64_t points_left_out; /* for an alarm */
	size_t most_points;       /* of a metric, in the log being read */
};

void learning_open(struct learning *l, const struct stated_limits *stated);
void learning_free(struct learning *l);

/* The next log begins. */
void learning_next(struct learning *l);

/* [hot] Notes the alarms among a log's records. */
void learning_see(struct learning *l, const struct columns *c);

/* Adds the points of an instance's series; false: no memory. */
bool learning_add(struct learning *l, const struct findings *f, const struct series *s, const char *instance);

/* Which model forecasts the series that were left out. */
struct learning_row {
	enum metric_id metric;
	size_t series, won[FORECAST_MODEL_COUNT], none; /* none: not predictable */
	double lstm_skill; /* what the LSTM alone saves of the error of "it stays as it is", all judging points; NAN */
};

/* rows (TRAINED_METRICS_MAX); how many. A series in which no metric of the model is foretold has no row. */
size_t learning_judge(const struct learning *l, const struct trained *model, struct learning_row *rows);

#endif
