/* unusual.h - how unusual each value of a series is, compared with its own past: "once in 10,000 points".
 *
 * Several sizes are formed of each value: how far a fast mean lies from a slow one, on three scales of time and as a
 * multiple of what that distance usually is; how much the spread has grown or shrunk; how often the same
 * value came in a row;
 * where the time of day is known, the distance from the profile of the day. Each is ranked among its own past sizes,
 * and beyond these by how fast their tail falls. The rarest, with some weight on how many agree, is ranked once more in
 * its own past, so that the answer is a rate, whatever the sizes have in common.
 *
 * Ownership  plain values, constant memory; a zeroed struct has seen nothing. Nothing is trained.
 * Cost       about 0.25 us a value.
 */
#ifndef RWKVMON_FORECAST_UNUSUAL_H
#define RWKVMON_FORECAST_UNUSUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RARITY_BINS = 96,
	UNUSUAL_WAIT_MOST = 64,
	UNUSUAL_SCALES = 3,
	UNUSUAL_SLOTS = 48 /* of a day */,
	UNUSUAL_LEAST = 100 /* values before an answer */
};

/* Sizes of the past, by their octaves' quarters; older ones fade. */
struct rarity {
	float count[RARITY_BINS];
	float total;
	uint8_t top;                        /* no bin from here on holds anything */
	uint8_t waiting[UNUSUAL_WAIT_MOST]; /* bins of the latest sizes, which do not count yet */
	uint32_t seen;
	double typical; /* mean size: sizes are counted as multiples of it */
};

/* What was most unusual about a value. */
enum unusual_sign { UNUSUAL_LEVEL, UNUSUAL_WIDER, UNUSUAL_NARROWER, UNUSUAL_STUCK, UNUSUAL_TIME_OF_DAY, UNUSUAL_SIGNS };

extern const char *const unusual_sign_ids[UNUSUAL_SIGNS];

struct unusual {
	uint32_t wait; /* set by the owner, at most UNUSUAL_WAIT_MOST: number of values after which a value counts as
			  past, so that a slow change is not compared with itself; 0: the next value is already compared
			  with it */
	bool forgets;  /* set by the owner: a value is judged as it is, but remembered as at most a few usual distances
			  away, so that a single far one makes only itself unusual */
	uint64_t n;
	struct {
		double fast, slow, usual; /* means; mean distance of the two */
		struct rarity distance;
	} scale[UNUSUAL_SCALES];
	struct rarity wider, narrower, above, below, all; /* above, below: the profile */
	struct rarity runs;
	double before, run; /* the last value, and how often it came in a row */
	double spread, usual_spread, level;
	double profile[UNUSUAL_SLOTS]; /* mean at that time of the day */
	uint32_t in_slot[UNUSUAL_SLOTS];
	double apart_usual, level_usual; /* mean distances: from the profile; from the level */
};

/* Of one value. */
struct unusual_answer {
	double rarity; /* such a value occurs once in 10^rarity values; 0: not unusual, or too little is known */
	double usual;  /* the slow mean it departs from */
	enum unusual_sign sign; /* what of it is rarest */
};

/* value finite; day: 0..1, the time of day, negative: unknown. */
struct unusual_answer unusual_add(struct unusual *u, double value, double day);

/* After a value was reported, less unusual ones are not reported for some time: the threshold falls by a factor e in
 * `rest` points.
 */
struct refractory {
	double bar;
};
double refractory_pass(struct refractory *r, double rarity,
		       double rest); /* returns the rarity, or 0: it is not reported */

#endif
