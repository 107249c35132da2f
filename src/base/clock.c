/* clock.c - the system's clocks; formats and parses RFC 3339. */
#include "base/clock.h"

#include <time.h>

static uint64_t system_mono_ns(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t system_wall_us(void *ctx)
{
	struct timespec t;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

const struct clock clock_system = { system_mono_ns, system_wall_us, NULL };

/* Days since 1970-01-01 of a proleptic Gregorian date, and back: years are counted
 * from March, so that the leap day is the last of its year. */
static int64_t days_from_date(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2));
}

static char *put_digits(char *out, int value, int digits)
{
	for (int i = digits - 1; i >= 0; i--, value /= 10)
		out[i] = (char)('0' + value % 10);
	return out + digits;
}

void time_format(char out[TIME_TEXT_BYTES], int64_t unix_us)
{
	const int64_t lowest = -62167219200000000, highest = 253402300799999999; /* years 0 and 9999 */
	const int64_t day_ms = 86400000;
	int64_t ms, days, rest;
	int year, month, day;
	char *p = out;

	unix_us = unix_us < lowest ? lowest : unix_us > highest ? highest : unix_us;
	ms = (unix_us >= 0 ? unix_us : unix_us - 999) / 1000;
	days = (ms >= 0 ? ms : ms - day_ms + 1) / day_ms;
	rest = ms - days * day_ms;
	date_from_days(days, &year, &month, &day);
	p = put_digits(p, year, 4);
	*p++ = '-';
	p = put_digits(p, month, 2);
	*p++ = '-';
	p = put_digits(p, day, 2);
	*p++ = 'T';
	p = put_digits(p, (int)(rest / 3600000), 2);
	*p++ = ':';
	p = put_digits(p, (int)(rest / 60000 % 60), 2);
	*p++ = ':';
	p = put_digits(p, (int)(rest / 1000 % 60), 2);
	*p++ = '.';
	p = put_digits(p, (int)(rest % 1000), 3);
	*p++ = 'Z';
	*p = 0;
}

/* Reads exactly `digits` digits at *p. */
static bool parse_number(const char **p, const char *end, int digits, int *value)
{
	int v = 0;

	if (end - *p < digits)
		return false;
	for (int i = 0; i < digits; i++, ++*p) {
		if (**p < '0' || **p > '9')
			return false;
		v = v * 10 + (**p - '0');
	}
	*value = v;
	return true;
}

static bool parse_char(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	++*p;
	return true;
}

static bool parse_fraction(const char **p, const char *end, int *microseconds)
{
	int unit = 100000;

	*microseconds = 0;
	if (!parse_char(p, end, '.') && !parse_char(p, end, ','))
		return true;
	if (*p == end || **p < '0' || **p > '9')
		return false;
	for (; *p < end && **p >= '0' && **p <= '9'; ++*p, unit /= 10)
		*microseconds += (**p - '0') * unit;
	return true;
}

static bool parse_offset(const char **p, const char *end, int *minutes)
{
	int sign, hour, minute = 0;

	*minutes = 0;
	if (*p == end || parse_char(p, end, 'Z') || parse_char(p, end, 'z'))
		return true;
	sign = parse_char(p, end, '+') ? 1 : parse_char(p, end, '-') ? -1 : 0;
	if (!sign || !parse_number(p, end, 2, &hour))
		return false;
	parse_char(p, end, ':');
	if (*p < end && !parse_number(p, end, 2, &minute))
		return false;
	*minutes = sign * (hour * 60 + minute);
	return hour < 24 && minute < 60;
}

static int month_days(int year, int month)
{
	static const signed char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

bool time_parse(struct slice text, int64_t *unix_us)
{
	const char *p = text.p, *end = text.p + text.n;
	int year, month, day, hour, minute, second, us, offset;

	if (!parse_number(&p, end, 4, &year) || !parse_char(&p, end, '-') || !parse_number(&p, end, 2, &month) ||
	    !parse_char(&p, end, '-') || !parse_number(&p, end, 2, &day))
		return false;
	if (!parse_char(&p, end, 'T') && !parse_char(&p, end, ' '))
		return false;
	if (!parse_number(&p, end, 2, &hour) || !parse_char(&p, end, ':') || !parse_number(&p, end, 2, &minute) ||
	    !parse_char(&p, end, ':') || !parse_number(&p, end, 2, &second))
		return false;
	if (!parse_fraction(&p, end, &us) || !parse_offset(&p, end, &offset) || p != end)
		return false;
	if (month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour > 23 || minute > 59 ||
	    second > 60)
		return false;
	*unix_us = ((days_from_date(year, month, day) * 24 + hour) * 60 + minute - offset) * 60000000 +
		   (int64_t)second * 1000000 + us;
	return true;
}
