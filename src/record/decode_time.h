/* decode_time.h - parses time stamps fast if they have the same minute as the previous one. */
#ifndef RWKVMON_RECORD_DECODE_TIME_H
#define RWKVMON_RECORD_DECODE_TIME_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* The minute that the latest time stamps began with: "2025-09-11T12:34". */
enum { MINUTE_BYTES = 16 };

struct minute {
	char text[MINUTE_BYTES];
	int64_t us;
};

/* A time stamp; the minute is remembered. */
bool minute_time(struct minute *minute, struct slice text, int64_t *us);

#endif
