/* beyond.h - how far a value lies beyond all that was seen before it, as a share of the range seen: 0.2 is a fifth.
 *
 * Three series are looked at: the values; their slow mean (the first ones, of fewer values, widen its range); and,
 * where the time is known, the distance from what the same half hour of the week was in earlier weeks, if that is
 * nearer to the values than their level. The farthest counts. Unlike a rarity (unusual.h) this is no rate: it needs no
 * tail, and is what people mean by "it has never been so high".
 *
 * With `texture`, three more are: the spread (mean distance from the slow mean; far values count as FAR mean
 * distances), what far values add to it (more than the farthest one seen would alone: single stalls are no texture),
 * and the slow mean beside what it was much earlier. Then a value counts in the slow mean at most like the farthest
 * that was seen.
 *
 * Ownership  plain values, constant memory; a zeroed struct has seen nothing. Nothing is trained.
 * Cost       about 0.06 us a value; with texture 0.1.
 */
#ifndef RWKVMON_FORECAST_BEYOND_H
#define RWKVMON_FORECAST_BEYOND_H

#include <stdbool.h>
#include <stdint.h>

enum { BEYOND_SLOTS = 7 * 48 /* half hours of a week */ };

enum beyond_series {
	BEYOND_VALUE,
	BEYOND_SLOW,
	BEYOND_WEEK,
	BEYOND_SPREAD,
	BEYOND_EXCESS,
	BEYOND_DRIFT,
	BEYOND_SERIES
};

struct span {
	double low, high;
};

/* What a series has been; the latest values do not count yet. */
struct seen_span {
	uint64_t n;
	struct span seen, latest[2]; /* (2): of the last whole `wait` values, and of those since */
};

/* Means of each half hour in earlier weeks, and of the current one. */
struct week {
	float mean[BEYOND_SLOTS];
	uint8_t weeks[BEYOND_SLOTS];
	uint32_t slot, n; /* the current one, and its values so far */
	double sum;
	double apart, level_apart; /* mean distances of values: from the week before; from their level */
};

struct beyond {
	uint32_t wait; /* set by the owner: values after which a value counts as seen, at least; 0: at once */
	bool texture;  /* set by the owner, beside a wait */
	uint64_t n;
	double slow, level, usual; /* means; mean distance of values from `slow` */
	double spread, excess;     /* means */
	struct seen_span far;      /* excesses */
	struct seen_span of[BEYOND_SERIES];
	struct week week;
};

struct beyond_answer {
	double share; /* of the range seen; 0: within it, or too little is known */
	double edge;  /* what was exceeded: the highest or lowest of that series, of the week and the spread as a value;
			 else the nearer of the values' own */
	enum beyond_series which;
};

/* Has it seen enough to answer? */
bool beyond_knows(const struct beyond *b);

/* value finite; week_s: seconds since a week began, whichever its first day is; negative: unknown. */
struct beyond_answer beyond_add(struct beyond *b, double value, int64_t week_s);

#endif
