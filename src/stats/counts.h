/* counts.h - counts how often each whole number occurs, which gives exact quantiles.
 *
 * Numbers are counted in steps of the largest power of ten (at most 10^6) that divides all of
 * them, so that 32.5 counts like 325 although it is kept as 32500. When they span more than
 * COUNTS_BINS steps, or a number occurs 2^32 times, the table is full. Whether it becomes full depends only on the
 * numbers, not on their order or on how they were split.
 *
 * Ownership  a zeroed struct is empty; counts_free releases.
 * Errors     if memory runs out, the table also counts as full, and `failed` is set.
 */
#ifndef RWKVMON_STATS_COUNTS_H
#define RWKVMON_STATS_COUNTS_H

#include "stats/quantiles.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COUNTS_BINS = 4096 };

struct counts {
	uint64_t n;
	int64_t step;      /* a power of ten; 0: nothing has been counted */
	int64_t low, high; /* least and greatest number, in steps */
	int64_t base;      /* number of bin[0] */
	size_t cap;
	bool wide; /* more than UINT16_MAX numbers have been counted */
	union {
		uint16_t *narrow;
		uint32_t *wide;
	} bin; /* (cap) */
	bool failed;
};

/* [hot] Adds v (n), each less than 2^53 in size and within least..most, up to the first that does not fit; returns how
 * many. */
size_t counts_add(struct counts *c, const int64_t *v, size_t n, int64_t least, int64_t most);
bool counts_add_times(struct counts *c, int64_t v, uint32_t times); /* false: the number does not fit */

/* [hot] Asks for what the table holds to be in the caches soon. */
void counts_fetch(const struct counts *c);

/* Adds all of `from` at once; false: that would need other steps or more bins, and nothing was added. */
bool counts_add_table(struct counts *into, const struct counts *from);

/* Ascending; value is in ones, not in steps. */
typedef void counts_visit(void *ctx, int64_t value, uint32_t count);
void counts_walk(const struct counts *c, counts_visit *visit, void *ctx);

/* Walks through numbers / scale for quantiles; values that no quantile needs are skipped block by block. */
void counts_visit_quantiles(const struct counts *c, double scale, struct quantiles *qs);

void counts_free(struct counts *c);

#endif
