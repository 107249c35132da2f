/* norms.h - the norms of the layers of a session's state: first, last, minimum and maximum.
 *
 * First and last are by time, then by position in the sequence, then by size, so that they depend only on the steps.
 *
 * Ownership  a zeroed struct is empty; norms_free releases. Costs memory once a step has norms.
 */
#ifndef RWKVMON_ANALYZE_NORMS_H
#define RWKVMON_ANALYZE_NORMS_H

#include "analyze/findings.h"
#include "record/record.h"

struct norm_at {
	int64_t time_us;
	uint64_t sequence_length;
	float norm;
};

struct layer_norms {
	struct norm_at first, last;
	float min, max;
	bool any;
};

struct norms {
	struct layer_norms *layer; /* (n) */
	size_t n;
	bool failed;
};

void norms_add(struct norms *n, const struct record *rec); /* [hot] only for steps that have norms */
void norms_merge(struct norms *into, const struct norms *from);
void norms_free(struct norms *n);

/* Into the arena; NULL and 0 when there are none. */
struct layer_norm *norms_tell(const struct norms *n, struct arena *arena, size_t *layers);

#endif
