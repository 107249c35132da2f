/* slope.h - the unit in which reports give a slope: per hour, minute or second, the largest that is shorter than the
 * log. */
#ifndef RWKVMON_REPORT_SLOPE_H
#define RWKVMON_REPORT_SLOPE_H

#include <stdint.h>

#include "spec/text.h"

struct slope_unit {
	double per_hour;           /* how many of these units make an hour */
	enum text_id rises, falls; /* a sentence: the slope, and half the width of its interval */
	enum text_id heading;      /* of a table's column */
};

static inline struct slope_unit slope_unit_of(int64_t span_us)
{
	if (span_us >= INT64_C(3600000000))
		return (struct slope_unit){ 1, TEXT_TERM_RISES_HOUR, TEXT_TERM_FALLS_HOUR, TEXT_PAGE_PER_HOUR };
	if (span_us >= INT64_C(60000000))
		return (struct slope_unit){ 60, TEXT_TERM_RISES_MINUTE, TEXT_TERM_FALLS_MINUTE, TEXT_PAGE_PER_MINUTE };
	return (struct slope_unit){ 3600, TEXT_TERM_RISES_SECOND, TEXT_TERM_FALLS_SECOND, TEXT_PAGE_PER_SECOND };
}

#endif
