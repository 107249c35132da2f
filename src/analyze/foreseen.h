/* foreseen.h - forecasts the metrics that can run out or grow without bound, and when they reach their limits. */
#ifndef RWKVMON_ANALYZE_FORESEEN_H
#define RWKVMON_ANALYZE_FORESEEN_H

#include "analyze/findings.h"
#include "base/err.h"
#include "forecast/forecast.h"
#include "record/record.h"

enum { STATED_LIMITS_MAX = 16 };

/* Limits that the user states: "METRIC=VALUE,…", above the value where less is better or neither is, else below it. */
struct stated_limits {
	struct stated_limit {
		enum metric_id metric;
		double value;
	} of[STATED_LIMITS_MAX];
	size_t n;
};

int stated_limits_parse(struct stated_limits *out, const char *text, const char *option, struct err *err);

/* Where a limit comes from. */
enum limit_source { LIMIT_SOURCE_NONE, LIMIT_SOURCE_STATED, LIMIT_SOURCE_RULE, LIMIT_SOURCE_CAPACITY };

/* What a trained model had to do with a forecast. */
enum trained_part { TRAINED_ABSENT, TRAINED_OTHER_METRICS, TRAINED_KNOWS_LOG, TRAINED_COMPETED };

struct foreseen {
	enum metric_id metric;
	const char *instance; /* NULL: the log has one instance */
	int gpu;              /* the number of the one that the metric is about, at the end; -1: none, or not known */
	int64_t from_us;      /* where the points begin that the forecast is made of: all, or the last part of them */
	int64_t at_us;        /* where the series ends */
	int64_t step_us;
	struct forecast is;
	bool is_part; /* the points begin where the series changed its course last */
	enum trained_part trained;
	double limit; /* NAN: none is known */
	bool above;   /* values above it break it */
	enum limit_source source;
	struct forecast_reach reach; /* in steps */
};

struct analyze_options;

/* Adds what is to be foreseen of one instance's series to f->foreseen, which has room for METRIC_COUNT more. `about`
 * is its session_start; NULL: unknown. Of the options: limits and trained. */
void foreseen_add(struct findings *f, const struct series *s, const char *instance, const struct field_values *about,
		  const struct analyze_options *opts);

/* The metrics of stated limits, and then what is foreseen without being asked for; how many, at most `most`. */
size_t foreseen_metrics(const struct stated_limits *stated, enum metric_id *out, size_t most);

/* The metric's buckets; NULL: there are none. */
const struct bucket *foreseen_row(const struct series *s, enum metric_id m);

/* Means of `per` of n buckets each; the last point ends with them. The number of points, at most FORECAST_POINTS_MAX.
 */
size_t foreseen_points(const struct bucket *row, size_t n, size_t per, double *y);

/* The same with as many points as a forecast takes, or fewer where a sample is held over several: a point is worth a
 * sample. */
size_t foreseen_choose(const struct bucket *row, size_t n, double y[FORECAST_POINTS_MAX], size_t *per);

/* From the end of the log until then, microseconds; negative: not as far as can be told. */
int64_t foreseen_us(const struct foreseen *x, double steps);

#endif
