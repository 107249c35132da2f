/* decode_time.c - converts timestamps into microseconds: the usual form by its fixed columns, others digit by digit. */
#include "record/decode_time.h"

#include "base/clock.h"
#include "record/decode_bytes.h"

/* Digits only; false when one is none. */
static bool parse_digits(const char *p, size_t n, int64_t *value)
{
	bool fine = true;

	*value = 0;
	for (size_t i = 0; i < n; i++) {
		fine &= is_digit(p[i]);
		*value = *value * 10 + (p[i] - '0');
	}
	return fine;
}

/* ":SS.mmmZ" */
static bool parse_milliseconds(const char *p, int64_t *us)
{
	const uint64_t others = UINT64_C(0xff000000ff0000ff), digits = ~others;
	const uint64_t want = UINT64_C(0x5a0000002e00003a);
	uint64_t x = load8(p), d = (x & digits) - (UINT64_C(0x3030303030303030) & digits);

	/* A byte below '0' borrows and, like one above '9', has a bit among the high ones afterwards. */
	if ((x & others) != want ||
	    ((d | (d + (UINT64_C(0x0606060606060606) & digits))) & UINT64_C(0xf0f0f0f0f0f0f0f0) & digits))
		return false;
	*us = (int64_t)((d >> 8 & 0xff) * 10000000 + (d >> 16 & 0xff) * 1000000 + (d >> 32 & 0xff) * 100000 +
			(d >> 40 & 0xff) * 10000 + (d >> 48 & 0xff) * 1000);
	return *us < 60000000;
}

/* "…:SS.mmmZ" or "…:SS.uuuuuuZ" after the minute; other forms are left to time_parse. */
static bool in_minute(struct slice text, int64_t *us)
{
	const char *p = text.p;
	int64_t second, fraction;

	if (text.n == 24)
		return parse_milliseconds(p + MINUTE_BYTES, us);
	if (text.n != 27 || p[26] != 'Z' || p[16] != ':' || p[19] != '.')
		return false;
	if (!parse_digits(p + 17, 2, &second) || second > 59 || !parse_digits(p + 20, 6, &fraction))
		return false;
	*us = second * 1000000 + fraction;
	return true;
}

bool minute_time(struct minute *minute, struct slice text, int64_t *us)
{
	int64_t rest;
	bool plain = in_minute(text, &rest);

	if (plain && load8(text.p) == load8(minute->text) && load8(text.p + 8) == load8(minute->text + 8)) {
		*us = minute->us + rest;
		return true;
	}
	if (!time_parse(text, us))
		return false;
	if (plain) {
		memcpy(minute->text, text.p, MINUTE_BYTES);
		minute->us = *us - rest;
	}
	return true;
}
