/* decode_time.h - parses time stamps fast if they have the same minute as the previous one. */
#ifndef RWKVMON_RECORD_DECODE_TIME_H
#define RWKVMON_RECORD_DECODE_TIME_H

#include "base/slice.h"
#include "record/decode_bytes.h"

/* The minute that the latest time stamps began with: "2025-09-11T12:34". */
enum { MINUTE_BYTES = 16 };

struct minute {
	char text[MINUTE_BYTES];
	int64_t us;
};

/* ":SS.mmmZ" */
static inline bool parse_milliseconds(const char *p, int64_t *us)
{
	const uint64_t others = UINT64_C(0xff000000ff0000ff), digits = ~others;
	const uint64_t want = UINT64_C(0x5a0000002e00003a);
	uint64_t x = load8(p), d = (x & digits) - (UINT64_C(0x3030303030303030) & digits);

	/* A byte below '0' borrows and, like one above '9', has a bit among the high ones afterwards. */
	if ((x & others) != want ||
	    ((d | (d + (UINT64_C(0x0606060606060606) & digits))) & UINT64_C(0xf0f0f0f0f0f0f0f0) & digits))
		return false;
	d *= 1 + (10 << 8); /* in each byte: its digit, and ten times that before it */
	*us = (int64_t)((d >> 16 & 0xff) * 1000000 + ((x >> 32 & 0xf) * 100 + (d >> 48 & 0xff)) * 1000);
	return *us < 60000000;
}

bool minute_other(struct minute *minute, struct slice text, int64_t *us);

/* [hot] A time stamp; the minute is remembered. */
static inline bool minute_time(struct minute *minute, struct slice text, int64_t *us)
{
	int64_t rest;

	if (text.n != 24 || load8(text.p) != load8(minute->text) || load8(text.p + 8) != load8(minute->text + 8) ||
	    !parse_milliseconds(text.p + MINUTE_BYTES, &rest))
		return minute_other(minute, text, us);
	*us = minute->us + rest;
	return true;
}

#endif
