/* decode_time.c - converts timestamps into microseconds: the usual form by its fixed columns, others digit by digit. */
#include "record/decode_time.h"

#include "base/clock.h"

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

bool minute_other(struct minute *minute, struct slice text, int64_t *us)
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
