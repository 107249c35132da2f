/* requests.c - the mean of zeros and ones, times their number. */
#include "analyze/requests.h"

#include <math.h>

struct request_counts requests_of(const struct findings *f)
{
	const struct summary *failed = &f->metric[M_REQUEST_FAILED], *status = &f->metric[M_REQUEST_ERROR_STATUS];

	return (struct request_counts){
		.ended = failed->count,
		.failed = failed->count ? (uint64_t)llround(failed->mean * (double)failed->count) : 0,
		.refused = status->count,
		.lowest = status->count ? status->min : (double)NAN,
		.highest = status->count ? status->max : (double)NAN,
	};
}
