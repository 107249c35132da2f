/* report.h - turns values measured outside a forward call into a record like any other: same log, rules, /metrics.
 *
 * Nothing is computed or sampled: values that the report does not give are unknown. */
#ifndef RWKVMON_COLLECT_REPORT_H
#define RWKVMON_COLLECT_REPORT_H

#include "record/record.h"

#include <rwkvmon.h>

struct collector_report {
	rwkvmon_stream *stream; /* NULL: the handle's own */
	enum phase phase;
	uint32_t token_count;     /* tokens that no earlier record has counted; 0: unknown, or none */
	uint64_t sequence_length; /* tokens known so far */
	const enum rwkvmon_finish
		*finish; /* how the request ended, with this report; NULL: it did not, or nobody says */
	const struct rwkvmon_number *numbers;
	size_t n_numbers;
	struct slice own;  /* "key":value,… at the line's end */
	struct slice text; /* used only with log_text */
};

/* From the handle's thread. NULL is fine. */
void collector_report(rwkvmon *mon, const struct collector_report *report);

#endif
