/* minutes.h - unusual minutes of many instances, as sums of their steps come in the order of time.
 *
 * Mean token latency, memory, entropy and surprisal of each minute are compared with the instance's own past
 * (forecast/unusual.h). How rare a minute must be to be told follows from how many there were in the whole fleet, so
 * that a fleet in which nothing happens shows one in at most one of ten answers. Told as well is what goes beyond all
 * that the instance has seen by twice that range, and stays there (forecast/beyond.h).
 *
 * Ownership  unusual_minutes_close frees what is kept; an instance's own past is one block, for free().
 * Bounds     29 KB per instance; the UNUSUAL_MINUTES_MAX rarest minutes, further ones are counted.
 */
#ifndef RWKVMON_ANALYZE_MINUTES_H
#define RWKVMON_ANALYZE_MINUTES_H

#include "analyze/departures.h"

enum { MINUTE_METRICS = 4, UNUSUAL_MINUTES_MAX = 4096 };

extern const enum metric_id minute_metrics[MINUTE_METRICS];

struct minute_sums {
	double sum[MINUTE_METRICS];
	uint64_t count[MINUTE_METRICS];
};

struct instance_minutes;

struct unusual_minutes {
	struct unusual_minute *minute; /* (n) */
	size_t n, cap;
	uint64_t points;   /* that were compared, of all metrics */
	uint64_t left_out; /* for want of room */
};

/* Sums up to that time, of the instance whose past is *of (NULL: it begins). `instance` outlives both. False: no
 * memory. */
bool unusual_minutes_add(struct unusual_minutes *u, struct instance_minutes **of, const char *instance, int64_t to_us,
			 const struct minute_sums *sums);

/* f->departure, the rarest first. False: no memory. */
bool unusual_minutes_tell(const struct unusual_minutes *u, struct findings *f);

void unusual_minutes_close(struct unusual_minutes *u);

#endif
