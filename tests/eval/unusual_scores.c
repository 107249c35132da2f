/* unusual_scores.c - `timestamp,value` lines in, one score from 0 to 1 a line out: for `make eval-forecast`.
 *     unusual_scores           how far beyond all that was seen (forecast/beyond.h)
 *     unusual_scores rarity    how rare (forecast/unusual.h) */
#include "forecast/beyond.h"
#include "forecast/unusual.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Points that a detection keeps its followers quiet; what a share of the range is worth, in octaves. */
static const double REST = 400, GAIN = 20;

/* Of "2014-02-14 14:30:00": minutes since a week began; negative: there is no time. */
static int minute_of(const char *line)
{
	int year, month, day, hour, minute;

	if (sscanf(line, "%4d-%2d-%2d %2d:%2d", &year, &month, &day, &hour, &minute) != 5)
		return -1;
	if (month < 3) { /* a year that begins in March has its leap day at the end */
		month += 12;
		year--;
	}
	day += 365 * year + year / 4 - year / 100 + year / 400 + (153 * month - 457) / 5;
	return day % 7 * 1440 + hour * 60 + minute;
}

static double rarity_of(double value, int minute)
{
	static struct unusual u;

	return unusual_add(&u, value, minute < 0 ? -1 : minute % 1440 / 1440.0).rarity;
}

static double octaves_of(double value, int minute)
{
	static struct beyond b;
	double share = beyond_add(&b, value, minute * 60).share;

	return share > 0 ? 1 + log2(1 + GAIN * share) : 0;
}

int main(int argc, char **argv)
{
	bool rarity = argc > 1 && !strcmp(argv[1], "rarity");
	struct refractory quiet = { 0 };
	char line[400];

	if (!fgets(line, sizeof line, stdin)) /* the heading */
		return 0;
	while (fgets(line, sizeof line, stdin)) {
		char *comma = strchr(line, ',');
		double value = comma ? strtod(comma + 1, NULL) : NAN, score = 0;

		if (isfinite(value))
			score = rarity ? rarity_of(value, minute_of(line)) : octaves_of(value, minute_of(line));
		score = refractory_pass(&quiet, score, REST);
		printf("%.17g\n", score / (score + 3));
	}
	return 0;
}
