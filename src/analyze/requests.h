/* requests.h - how the requests of a log ended, from the last record of each. */
#ifndef RWKVMON_ANALYZE_REQUESTS_H
#define RWKVMON_ANALYZE_REQUESTS_H

#include "analyze/findings.h"

struct request_counts {
	uint64_t ended; /* 0: nobody says */
	uint64_t failed;
	uint64_t refused;       /* of those, with an HTTP status of 400 or more */
	double lowest, highest; /* of those statuses; NAN: none */
};

struct request_counts requests_of(const struct findings *f);

#endif
