/* prometheus.h - the recording and alerting rules of prometheus.def as data. */
#ifndef RWKVMON_SPEC_PROMETHEUS_H
#define RWKVMON_SPEC_PROMETHEUS_H

#include "spec/metrics.h"

#include <stddef.h>

struct record_rule {
	const char *name, *expression;
};

struct alert_rule {
	const char *name, *severity, *wait, *keep; /* `for`, `keep_firing_for`: "5m" */
	enum metric_id metric;                     /* METRIC_COUNT: the expression has no limit */
	double scale;
	const char *expression; /* @ stands for the metric's limit times scale */
	const char *summary[LANG_COUNT], *description[LANG_COUNT];
};

extern const struct record_rule record_rules[];
extern const size_t record_rule_count;
extern const struct alert_rule alert_rules[];
extern const size_t alert_rule_count;

#endif
