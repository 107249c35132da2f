/* worst.h - the worst moments of each metric that has a bad direction: the N steps with the worst values.
 *
 * Which is worse is a total order (value, then earlier, then by what else tells two steps apart), so that the list
 * depends on the steps alone. Sessions go by their index in the list of sessions.
 *
 * Ownership  a zeroed struct is empty; worst_free releases. A metric costs 1.3 KiB once it occurs.
 */
#ifndef RWKVMON_ANALYZE_WORST_H
#define RWKVMON_ANALYZE_WORST_H

#include "analyze/batch.h"
#include "analyze/ranges.h"

struct worst_step {
	double bad; /* the value, turned so that greater is worse */
	int64_t time_us;
	int32_t session; /* index of the listed session; negative: not listed */
	uint32_t sequence, token_count;
	uint64_t sequence_length;
	enum phase phase;
	uint64_t have; /* bit m: metric[m] is known */
	double metric[METRIC_COUNT];
};

struct worst {
	struct worst_step *of[METRIC_COUNT]; /* (n[m]), the worst first; NULL: none yet */
	size_t n[METRIC_COUNT];
	bool failed;
};

/* [hot] The steps of a run, with their ranges. */
void worst_add(struct worst *w, const struct columns *c, const struct batch_run *run, const struct ranges *ranges);

void worst_merge(struct worst *into, const struct worst *from);
void worst_free(struct worst *w);

/* The lists of metrics that vary, by metric and worst first, into the arena; session_id by index. */
struct moment *worst_list(const struct worst *w, struct arena *arena, const char *const *session_id,
			  const bool varies[METRIC_COUNT], size_t *n);

#endif
