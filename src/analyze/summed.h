/* summed.h - takes steps that were summed up elsewhere (roll-ups) into an analysis, as far as sums can stand for them.
 *
 * Known afterwards: everything of metrics, instances, peers, slowdowns and times. Not known, because sums do not hold
 * it: the order of steps, and so what the rules learn and judge; series, correlations, sequences, single moments.
 *
 * Threads  as analyze_push_columns.
 */
#ifndef RWKVMON_ANALYZE_SUMMED_H
#define RWKVMON_ANALYZE_SUMMED_H

#include "analyze/analyze.h"
#include "analyze/metric_stats.h"
#include "analyze/minutes.h"
#include "analyze/time_breakdown.h"

/* Whose they are. One session of the analysis stands for all of an instance with one model and strategy. */
struct summed_owner {
	struct slice instance, model_name, strategy;
};

/* One metric of them. */
struct summed_metric {
	enum metric_id id;
	struct metric_part part;
	const struct sketch_run *run; /* (n); 0: of its values no more is known */
	size_t n;
};

#define SUMMED_UNKNOWN UINT64_MAX

/* Steps from one moment to another. */
struct summed {
	struct summed_owner of;
	int64_t from_us, to_us;
	uint64_t records, tokens;
	uint64_t prefill_tokens;                      /* of the tokens; SUMMED_UNKNOWN: they are not told apart */
	const struct summed_metric *decode, *prefill; /* (n_decode), (n_prefill) */
	size_t n_decode, n_prefill;
	bool counted; /* records and tokens are in the owner's counts */
};

/* What of them must be taken in the order of time; a zeroed one is of nobody. */
struct summed_times {
	struct session *of;
	struct time_summed sums;
	struct minute_sums minute; /* when the unusual is looked for */
};

/* [hot] Steps come in any order; *times is to be handed back in the order of time of those with the same owner, which
 * frees what it holds; summed_times_free frees one that is not. */
void analyze_take_summed(struct analysis *a, const struct summed *s, struct summed_times *times);
void analyze_take_times(struct analysis *a, struct summed_times *times);
void summed_times_free(struct summed_times *times);

/* More of an owner's steps, the first of them at first_us. Owners get their places in the order in which they are
 * counted, or else in which their steps come. */
struct summed_counts {
	uint64_t records, tokens, dropped;
};
void analyze_take_counts(struct analysis *a, const struct summed_owner *of, const struct summed_counts *n,
			 int64_t first_us);

/* Of an instance of which there are steps: alarms of a type, what computes, and that it has ended. */
void analyze_take_alarms(struct analysis *a, struct slice instance, enum alarm_type type, uint64_t n);
void analyze_take_device(struct analysis *a, struct slice instance, struct slice gpu, struct slice cpu);
void analyze_take_lost(struct analysis *a, struct slice instance, uint64_t records); /* more of them */
/* At that time; what has steps after it goes on. */
void analyze_take_end(struct analysis *a, struct slice instance, int64_t time_us);

#endif
