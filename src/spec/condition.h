/* condition.h - parses and evaluates the conditions of --fail-on; the grammar is the same in every command.
 *
 *     CONDITIONS  CONDITION { "," CONDITION }
 *     CONDITION   "attention" | "critical"
 *               | ALARM_TYPE
 *               | [ "prefill" | "decode" ] METRIC STATISTIC ( ">" | ">=" | "<" | "<=" ) NUMBER [ "%" ]
 *
 * "median" is another word for p50. The words are those of alarms.def, metrics.def and statistics.def. NUMBER% is a
 * value if the metric's unit is %, otherwise a change relative to another log.
 *
 * Ownership  conditions point into the text they were read from.
 * Errors     ERR_USAGE names the column, what was found, what was expected, and the nearest word.
 */
#ifndef RWKVMON_SPEC_CONDITION_H
#define RWKVMON_SPEC_CONDITION_H

#include "base/err.h"
#include "spec/alarms.h"
#include "spec/metrics.h"

enum statistic {
#define STATISTIC(name, ...) STATISTIC_##name,
#include "spec/statistics.def"
#undef STATISTIC
	STATISTIC_COUNT_OF
};

struct statistic_spec {
	const char *id;
	bool is_count;
};

extern const struct statistic_spec statistic_specs[STATISTIC_COUNT_OF];

/* True if the log's verdict is this one or a worse one. */
enum judged { JUDGED_NOT, JUDGED_ATTENTION, JUDGED_CRITICAL, JUDGED_COUNT };

struct condition {
	struct slice text;    /* as the user wrote it */
	enum judged judged;   /* JUDGED_NOT: the members below hold the condition */
	enum alarm_type type; /* ALARM_TYPE_COUNT: a comparison, given by the members below */
	enum phase phase;     /* PHASE_UNKNOWN: not given */
	enum metric_id metric;
	enum statistic statistic;
	bool greater, or_equal; /* > >= < <= */
	double value;
	bool percent;
};

enum { CONDITIONS_MAX = 16 };

struct conditions {
	struct condition of[CONDITIONS_MAX];
	size_t n;
};

/* `option` is how messages name the text, such as "--fail-on". */
int conditions_parse(struct conditions *out, const char *text, const char *option, struct err *err);

/* Does the value meet the comparison? NAN never does. */
bool condition_holds(const struct condition *c, double value);

#endif
