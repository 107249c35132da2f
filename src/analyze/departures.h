/* departures.h - finds the moments of a log at which metrics left their usual range, and which metrics did. */
#ifndef RWKVMON_ANALYZE_DEPARTURES_H
#define RWKVMON_ANALYZE_DEPARTURES_H

#include "analyze/findings.h"
#include "forecast/unusual.h"

enum { DEPARTURES_MAX = 10, DEPARTURE_METRICS_MAX = 4 };

/* One metric then: its mean in that time, and what it had been: by how rare that is, or by how far it went. */
struct departed {
	enum metric_id metric;
	double value, usual; /* usual: if it went far, the edge of all that was seen */
	double rarity;       /* so unusual a stretch of time comes once in 10^rarity of them */
	double beyond; /* share of the range seen by which it lies outside it, for as long as that lasts; else 0 */
	enum unusual_sign sign;
};

struct departure {
	int64_t from_us, to_us;
	const char *instance;                      /* NULL: the log has one */
	struct departed of[DEPARTURE_METRICS_MAX]; /* (n), the rarest first, then the farthest */
	size_t n;
	bool minute; /* of all minutes of a fleet (minutes.h), not of a log's buckets */
};

/* What comes first: what goes far beyond all that was seen and stays there, the farthest first; then the rarest. `far`:
 * by how much of the range seen; 0: it does not. */
double departure_weight(double rarity, double far);

/* How rare it is that independent things are all at least so rare at the same time: each -log10 of a chance; of those
 * below `least` each, none counts. 0: fewer than two do. */
double departures_together(const double *rarity, size_t n, double least);

/* Adds the rarest moments of one instance's series to f->departure, which has room for DEPARTURES_MAX more, in order of
 * time; further ones are counted in f->departures_left_out. Told is what a log of that length, with that many metrics,
 * would show by chance once in ten logs at most; and what went far beyond all that was seen, and stayed there. False:
 * no memory. */
bool departures_add(struct findings *f, const struct series *s, const char *instance);

#endif
