/* requests.c - the mean of zeros and ones, times their number; a log may hold anything else, too. */
#include "analyze/requests.h"

#include <math.h>

struct request_counts requests_of(const struct findings *f)
{
	const struct summary *failed = &f->metric[M_REQUEST_FAILED], *status = &f->metric[M_REQUEST_ERROR_STATUS];
	const double all = (double)failed->count;

	return (struct request_counts){
		.ended = failed->count,
		.failed = (uint64_t)fmin(fmax(round(failed->mean * all), 0), all),
		.refused = status->count,
		.lowest = status->count ? status->min : (double)NAN,
		.highest = status->count ? status->max : (double)NAN,
	};
}
