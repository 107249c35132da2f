/* prometheus.c - the rows of prometheus.def. */
#include "spec/prometheus.h"

enum { M_NO_METRIC = METRIC_COUNT };

const struct record_rule record_rules[] = {
#define RECORD(name, expression) { name, expression },
#include "spec/prometheus.def"
};

const size_t record_rule_count = sizeof record_rules / sizeof *record_rules;

const struct alert_rule alert_rules[] = {
#define ALERT(name, severity, wait, keep, metric, scale, expression, sum_en, sum_zh, say_en, say_zh)                   \
	{ name,                                                                                                        \
	  severity,                                                                                                    \
	  wait,                                                                                                        \
	  keep,                                                                                                        \
	  (enum metric_id)M_##metric,                                                                                  \
	  scale,                                                                                                       \
	  expression,                                                                                                  \
	  { sum_en, sum_zh },                                                                                          \
	  { say_en, say_zh } },
#include "spec/prometheus.def"
};

const size_t alert_rule_count = sizeof alert_rules / sizeof *alert_rules;
