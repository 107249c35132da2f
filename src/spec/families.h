/* families.h - the Prometheus families of families.def as data.
 *
 * A series is one family with one value of its label. The series of a family are consecutive, so `S_TOKENS + 1` is the
 * series of the second value.
 */
#ifndef RWKVMON_SPEC_FAMILIES_H
#define RWKVMON_SPEC_FAMILIES_H

#include "spec/alarms.h"
#include "spec/metrics.h"

enum family_kind { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM, FAMILY_INFO };
enum family_over { OVER_SUM, OVER_MAX, OVER_LAST, OVER_WINDOW, OVER_PROCESS };
enum family_start { START_ALWAYS, START_SEEN };

enum family_id {
#define FAMILY(name, ...) FAM_##name,
#include "spec/families.def"
	FAMILY_COUNT
};

enum { LABEL_ALARM_TYPE = ALARM_TYPE_COUNT, LABEL_ACT = ACT_COUNT };
#define LABEL(label, key, ...) enum { LABEL_##label = sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *) };
#include "spec/families.def"

enum series_id {
#define FAMILY(name, prom, kind, unit, over, start, label, ...) S_##name, S_LAST_##name = S_##name + LABEL_##label - 1,
#include "spec/families.def"
	SERIES_COUNT
};

enum { BOUNDS_MAX = 20 };

struct family_spec {
	const char *prom; /* "rwkv_tokens_total" */
	enum family_kind kind;
	const char *unit; /* "seconds", or "" */
	enum family_over over;
	enum family_start start;
	enum series_id first; /* the first of n_values consecutive series */
	size_t n_values;
	const char *label;         /* "phase", or "" */
	const char *const *values; /* (n_values) of the label */
	bool gpu;                  /* carries `gpu` */
	const double *bounds;      /* (n_bounds), ascending */
	size_t n_bounds;           /* 0: not a histogram */
	const char *help[LANG_COUNT];
};

extern const struct family_spec family_specs[FAMILY_COUNT];

/* Each record's metric contributes value * scale + offset to the series. */
struct family_feed {
	enum series_id series;
	enum metric_id metric;
	double scale, offset;
};

extern const struct family_feed family_feeds[];
extern const size_t family_feed_count;

/* The family a series belongs to. */
enum family_id family_of(enum series_id s);

#endif
