/* accumulators.h - everything that is accumulated over steps, per session and over all other sessions.
 *
 * An accumulator that does not depend on order belongs here. It is a small module with
 *
 *     X_add(x, columns, from, n)  [hot] consecutive rows with steps of one session
 *     X_merge(into, from)   the same as if from's steps had been added to into
 *     X_free(x)             a zeroed struct is empty
 *     X_failed(x)           memory ran out
 *
 * a member of struct accumulators, and a line in each of accumulators_add, accumulators_merge, accumulators_free and
 * accumulators_failed. Its result is read by finish.c. The result may depend only on the set of steps: several threads
 * accumulate different blocks of the log, and their results are merged in no particular order. Integers, exact sums,
 * counts, minimum and maximum (ties broken by time and value, never by arrival), the N worst by a total order and
 * buckets of time or of sequence_length satisfy this. A sum of doubles does not: use stats/moments.h.
 *
 * Anything that needs the order of the log belongs into analyze_in_order (analysis.h).
 *
 * Ownership  a zeroed struct is empty; accumulators_free, gathering_free release.
 * Threads    a gather belongs to one thread at a time.
 */
#ifndef RWKVMON_ANALYZE_ACCUMULATORS_H
#define RWKVMON_ANALYZE_ACCUMULATORS_H

#include "analyze/batch.h"
#include "analyze/drift.h"
#include "analyze/first_bad.h"
#include "analyze/metric_stats.h"
#include "analyze/norms.h"
#include "analyze/profile.h"
#include "analyze/sample.h"
#include "analyze/worst.h"
#include "stats/buckets.h"

/* Channels of a series: the metrics, then some of them once more for one phase alone. */
enum { SERIES_APART = METRIC_COUNT, SERIES_APART_COUNT = 3, SERIES_CHANNELS = METRIC_COUNT + SERIES_APART_COUNT };

extern const struct series_apart {
	enum metric_id metric;
	enum phase phase;
} series_apart[SERIES_APART_COUNT];

/* The accumulators of one session, or of all sessions that are not listed. */
struct accumulators {
	struct metric_stats *phase[PHASE_COUNT]; /* NULL: no step of that phase */
	struct comoments similarity_entropy;
	struct first_bad nonfinite;
	struct norms norms;
	struct drift drift;
	struct buckets *series; /* (SERIES_CHANNELS); NULL: has none of its own */
	bool failed;
};

struct gathering {
	struct accumulators *session; /* (cap), by index; those beyond n are empty */
	size_t n, cap, n_used;        /* n_used: that have steps */
	struct accumulators others;   /* its series is that of all sessions without one */
	struct worst worst;           /* of all steps, as are the next two */
	struct sample sample;
	struct profile profile;
	uint64_t losses; /* of series that have been taken into account */
	const struct analyze_options *opts;
	struct batch *batch, *parked; /* being added; the other one (gathering_park) */
	bool failed;
};

bool gathering_open(struct gathering *g, const struct analyze_options *opts);

/* The session's accumulators, created if necessary; NULL when memory runs out. */
struct accumulators *gathering_session(struct gathering *g, size_t index);

/* Drops the session's series: it is added to that of the others. */
void gathering_lose_series(struct gathering *g, size_t index);

/* Of equal lists of sessions. An empty `to` takes over what `from` holds, which has no sessions afterwards. */
void gathering_merge(struct gathering *into, struct gathering *from);
bool gathering_failed(const struct gathering *g);
void gathering_free(struct gathering *g);

#endif
