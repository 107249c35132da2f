/* breaks.h - where a series begins to behave in another way: it is cut into straight pieces as long as that halves the
 * squared distance from them.
 *
 * Ownership  plain values.
 * Cost       O(n) a piece.
 */
#ifndef RWKVMON_FORECAST_BREAKS_H
#define RWKVMON_FORECAST_BREAKS_H

#include <stddef.h>

enum { BREAK_PIECE = 8 /* points of a piece, at least */ };

struct breaks {
	size_t n;    /* pieces but one */
	size_t last; /* the first point of the last piece */
};

/* y (n), at most FORECAST_POINTS_MAX of them: NAN where nothing is known. */
struct breaks breaks_find(const double *y, size_t n);

/* How often a course ends, a point of n: half of once where it never has (Jeffreys' prior). */
static inline double breaks_rate(const struct breaks *b, size_t n)
{
	return n ? ((double)b->n + 0.5) / (double)n : 0;
}

#endif
