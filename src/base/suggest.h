/* suggest.h - "did you mean": the known word nearest to a mistyped one. */
#ifndef RWKVMON_BASE_SUGGEST_H
#define RWKVMON_BASE_SUGGEST_H

#include "base/slice.h"

struct suggestion {
	struct slice word; /* what was typed */
	const char *best;  /* the nearest word so far, or NULL */
	size_t best_distance;
};

/* Offer the known words one by one; `best` stays NULL when none is close enough (a third of the word's letters may
 * differ). */
void suggest_offer(struct suggestion *s, const char *known);

#endif
