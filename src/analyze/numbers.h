/* numbers.h - everything that is added up over steps, per session and over the rest of them.
 *
 * This is where an accumulator belongs that does not care about order. It is a small module of its own with
 *
 *     X_add(x, columns, from, n)  [hot] steps of one session that stand side by side
 *     X_merge(into, from)   the same as if from's steps had been added to into
 *     X_free(x)             a zeroed struct is empty
 *     X_failed(x)           memory ran out
 *
 * a member of struct numbers, and a line in each of numbers_add, numbers_merge, numbers_free and numbers_failed.
 * What is read out of it is a module of finish.c. The result may depend on the set of steps alone: several threads
 * gather, each its own blocks of the log, and what they have is merged in no particular order. Integers, exact sums,
 * counts, least and greatest (ties broken by time and value, never by who came first), the N worst by a total order
 * and buckets of time or of sequence_length are of that kind. A sum of doubles is not: use stats/moments.h.
 *
 * What needs the order of the log belongs into analyze_place (analysis.h).
 *
 * Ownership  a zeroed struct is empty; numbers_free, gather_free release.
 * Threads    a gather belongs to one thread at a time.
 */
#ifndef RWKVMON_ANALYZE_NUMBERS_H
#define RWKVMON_ANALYZE_NUMBERS_H

#include "analyze/batch.h"
#include "analyze/drift.h"
#include "analyze/first_bad.h"
#include "analyze/norms.h"
#include "analyze/profile.h"
#include "analyze/sample.h"
#include "analyze/tracks.h"
#include "analyze/worst.h"
#include "stats/buckets.h"

/* Channels of a series: the metrics, then some of them once more for one phase alone. */
enum { SERIES_APART = METRIC_COUNT, SERIES_APART_COUNT = 3, SERIES_CHANNELS = METRIC_COUNT + SERIES_APART_COUNT };

extern const struct series_apart {
	enum metric_id metric;
	enum phase phase;
} series_apart[SERIES_APART_COUNT];

/* Of one session, or of all that have no place of their own. */
struct numbers {
	struct tracks *phase[PHASE_COUNT]; /* NULL: no step of that phase */
	struct comoments similarity_entropy;
	struct first_bad nonfinite;
	struct norms norms;
	struct drift drift;
	struct buckets *series; /* (SERIES_CHANNELS); NULL: has none of its own */
	bool failed;
};

void numbers_merge(struct numbers *into, const struct numbers *from);
bool numbers_failed(const struct numbers *n);
void numbers_free(struct numbers *n);

struct gather {
	struct numbers *session; /* (cap), by index; those beyond n are empty */
	size_t n, cap;
	struct numbers others; /* its series is that of all sessions without one */
	struct worst worst;	/* of all steps, as are the next two */
	struct sample sample;
	struct profile profile;
	uint64_t losses; /* of series that were taken notice of */
	const struct analyze_options *opts;
	struct batch *batch;	/* being added */
	struct columns *pushed; /* for analyze_push; NULL: never called */
	bool failed;
};

bool gather_open(struct gather *g, const struct analyze_options *opts);

/* The session's numbers, made when they are not there; NULL when memory is out. */
struct numbers *gather_session(struct gather *g, size_t index);

/* The session gives up its series: it counts among the others'. */
void gather_lose_series(struct gather *g, size_t index);

/* What is kept of all steps together; from's sessions are index[old] in `into`, or the same when it is NULL. */
void gather_merge_overall(struct gather *into, const struct gather *from, const int32_t *index);

/* Of equal lists of sessions. What is merged into nothing is taken as it is: `from` gets the nothing then. */
void gather_merge(struct gather *into, struct gather *from);
bool gather_failed(const struct gather *g);
void gather_free(struct gather *g);

#endif
