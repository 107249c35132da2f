/* findings.h - what an analysis found: the one thing that text, JSON, HTML and terminal are drawn from.
 *
 * Ownership  everything lives in the findings' arena; findings_free releases all of it.
 * Units      metric values in the metric's unit, times in Unix microseconds.
 * Unknown    a summary with count 0 has no other numbers; NAN marks a single unknown number.
 */
#ifndef RWKVMON_ANALYZE_FINDINGS_H
#define RWKVMON_ANALYZE_FINDINGS_H

#include "base/arena.h"
#include "spec/alarms.h"
#include "spec/input.h"
#include "spec/metrics.h"
#include "spec/pairs.h"

#include <stdint.h>

enum {
	FINDINGS_SKIPPED_MAX = INPUT_SKIPPED_MAX, /* skipped lines listed */
	FINDINGS_SESSIONS_MAX = 10000,	/* sessions listed */
	FINDINGS_EVENTS_MAX = 1000,	/* anomaly events listed */
	FINDINGS_CHARTED_SESSIONS = 8,	/* largest sessions that keep their own series */
	FINDINGS_BUCKETS_MAX = 512,	/* of a series */
	FINDINGS_HISTOGRAM_BINS = 48,
	FINDINGS_LIMITS_MAX = 128,	/* limits in force */
	FINDINGS_CHANGES_MAX = 8,	/* change points of one metric */
	FINDINGS_WORST = 5,		/* worst moments of one metric */
	FINDINGS_INSTANCES_MAX = 64,	/* instances listed */
	FINDINGS_OCTAVES = 32,		/* of the position in a sequence */
	FINDINGS_LAYERS_MAX = 256,	/* whose norms are followed */
};

/* Of one metric over some records. count, min, max are exact; mean and stddev (sample,
 * n - 1) to 1e-9; quantiles (linear interpolation between ranks) within 0.5 %. */
struct summary {
	uint64_t count, missing, nonfinite;
	double min, max, mean, stddev; /* stddev NAN when count < 2 */
	double p50, p90, p95, p99;
};

/* One metric in one time bucket; count 0: nothing there. */
struct bucket {
	uint64_t count;
	double min, max, mean;
};

/* Time buckets of equal width, aligned to multiples of it, so that series merge. */
struct series {
	int64_t from_us, width_us;
	size_t n;			      /* buckets, at most FINDINGS_BUCKETS_MAX */
	struct bucket *metric[METRIC_COUNT];  /* (n) each; NULL when the metric never occurs */
	struct bucket *apart[METRIC_COUNT];   /* (n) each: of one phase alone, where mixing both means little: latency
					       * and throughput of decode, chunk time of prefill; NULL: none */
};

/* Equal bins of log10(value) between the smallest and the largest value. */
struct histogram {
	size_t n; /* 0: no values */
	double low, high; /* edges of the first and the last bin, in the metric's unit */
	uint64_t bin[FINDINGS_HISTOGRAM_BINS];
};

/* A limit that judged at least one step: what a chart draws across a metric. One metric has
 * several when it is judged from both sides, by several rules, or differently by session. */
struct limit_in_force {
	enum metric_id metric;
	enum alarm_type type; /* that breaking it raises */
	enum severity severity;
	bool above; /* values above it break it; else values below */
	double value;
};

/* A straight line through the means of the time buckets, by least squares; of the series'
 * `apart` where there is one. Changes and levels in the metric's unit. */
struct trend {
	size_t points;	       /* buckets with values */
	double slope_per_hour; /* NAN when there are fewer than 3 points */
	double low, high;      /* its 95 % confidence interval; NAN when there are too few independent points */
	double start;	       /* the line at the first bucket */
	double change;	       /* from there to the last bucket; NAN as the slope */
	bool significant;      /* the interval excludes 0 */
};

/* The level of a metric jumped. */
struct change_point {
	enum metric_id metric;
	int64_t time_us;
	double before, after; /* mean levels up to the neighbouring change points */
	double score;	      /* the jump in errors of it: 5 is clear */
};

/* A step that stands out, with all it carried. */
struct moment {
	enum metric_id metric; /* in which it is among the worst */
	double value;	       /* of that metric */
	const char *session_id; /* "" when the session is not listed */
	int64_t time_us;
	enum phase phase;
	uint32_t sequence, token_count;
	uint64_t sequence_length;
	uint64_t have; /* bit m: of[m] is known */
	double of[METRIC_COUNT];
};

/* How two columns of the same steps move together, prefill left out: Pearson's r. */
struct correlation {
	enum pair_id pair; /* of spec/pairs.def */
	uint64_t steps;	   /* that have both; a uniform sample of them when there are very many */
	double r, low, high; /* 95 % confidence interval, steps taken as independent */
};

/* How much one call's time differs from that of the call before, of equal phase and tokens. */
struct jitter {
	uint64_t pairs;	 /* of calls compared */
	double mean_ms; /* mean of the absolute differences; NAN without pairs */
};

/* Metrics by how far into its sequence a step was; prefill left out. */
struct by_position {
	uint64_t count[FINDINGS_OCTAVES]; /* steps with sequence_length in [2^i, 2^(i+1)) that have the metric */
	double mean[FINDINGS_OCTAVES];	  /* NAN where there are none */
};

/* Norm of one layer's state over a session; NAN when it never was finite. */
struct layer_norm {
	double first, last, min, max;
};

/* A step at which something first went wrong. */
struct first_bad {
	bool known;
	enum alarm_type type; /* what went wrong */
	int64_t time_us;
	uint32_t sequence;
	uint64_t sequence_length; /* that step's tokens included; 0, and no sequence: unknown */
	double layer;		  /* the first non-finite one; NAN unknown */
};

/* A sample of the state's drift from the start of its sequence. */
struct drift_at {
	int64_t time_us;
	uint32_t sequence;
	uint64_t sequence_length; /* that step's tokens included; 0: unknown */
	double value;		  /* 1 - cosine: 0 where it began, 1 at right angles, 2 opposite */
};

struct drift {
	uint64_t samples; /* 0: none, and the rest means nothing */
	struct drift_at first, last, most;
};

struct state_evolution {
	double path;	/* sum of the relative changes: the way the state went, in norms of itself; NAN unknown */
	uint64_t pairs; /* that the correlation with entropy is of */
	struct first_bad first_nonfinite; /* of logits or state */
	struct first_bad first_bad; /* of that, a loop, a jump, a leak: what rules or live alarms say first */
	struct layer_norm *layer;   /* (n_layers); NULL: the log has no norms */
	size_t n_layers;
	struct drift drift;
};

/* All sessions of one host:pid. */
struct instance_findings {
	const char *instance; /* "" when unknown */
	uint64_t sessions, records, tokens;
	int64_t from_us, to_us;
	struct summary metric[METRIC_COUNT];
};

enum { FINDINGS_COLLAPSE_PAIRS = 30 }; /* steps a collapse warning needs */

struct session_findings {
	const char *session_id, *model_name, *strategy, *instance; /* instance "" when unknown */
	uint64_t records, tokens, sequences;
	int64_t from_us, to_us;
	struct summary metric[METRIC_COUNT];
	double similarity_entropy_pearson; /* NAN when undefined */
	bool collapse_warning;		   /* that correlation is below -0.5, over enough steps to tell */
	struct state_evolution state;
	struct jitter jitter[PHASE_COUNT]; /* of chunk_process_time_ms */
	const struct series *series;	   /* NULL unless one of the largest sessions */
};

struct anomaly_event {
	enum alarm_type type;
	enum severity severity;
	const char *session_id;
	int64_t from_us, to_us;
	uint64_t records;  /* violating records in it */
	double worst;	   /* value farthest beyond the limit */
	double limit;
	enum metric_id metric;
};

enum verdict { VERDICT_HEALTHY, VERDICT_ATTENTION, VERDICT_CRITICAL, VERDICT_COUNT };

struct ledger; /* analyze/ledger.h */

struct findings {
	struct arena arena;

	const char **files; /* (n_files) */
	size_t n_files;
	uint64_t bytes, lines, records, skipped_lines; /* records: inference steps */
	struct skipped_line skipped[FINDINGS_SKIPPED_MAX];
	size_t n_skipped;

	int64_t from_us, to_us; /* of the steps; both 0 when there are none */
	uint64_t tokens;
	struct summary metric[METRIC_COUNT];
	struct summary phase[PHASE_COUNT][METRIC_COUNT]; /* prefill and decode apart; [0]: steps that do not say */
	struct series series;
	struct histogram latency[PHASE_COUNT]; /* token_latency_ms */

	bool filtered;			  /* only steps of a session, or within times, were asked for */
	struct session_findings *session; /* (n_sessions), in order of their first record */
	size_t n_sessions;
	uint64_t sessions_total;

	struct trend trend[METRIC_COUNT];
	struct change_point *change; /* (n_changes), by metric, then by time */
	size_t n_changes;

	struct moment *worst; /* (n_worst), by metric, the worst first; metrics that never vary have none */
	size_t n_worst;
	struct correlation *correlation; /* (n_correlations), the strongest first */
	size_t n_correlations;
	struct jitter jitter[PHASE_COUNT]; /* of chunk_process_time_ms */
	struct by_position *position[METRIC_COUNT]; /* NULL: not followed, or never seen */

	struct instance_findings *instance; /* (n_instances), in order of their first record */
	size_t n_instances;
	uint64_t instances_total;

	const char *rule_set;		     /* that the anomalies were judged by */
	struct limit_in_force *limit;	     /* (n_limits), by metric */
	size_t n_limits;
	uint64_t anomaly_records;	     /* steps that violate at least one rule */
	uint64_t anomaly_by_type[ALARM_TYPE_COUNT]; /* violating records */
	struct anomaly_event *event;	     /* (n_events), by time */
	size_t n_events;
	uint64_t events_total;

	uint64_t live_alarms[ALARM_TYPE_COUNT]; /* alarms the collector itself wrote */
	uint64_t dropped;			/* records the log's gaps say were lost */

	const struct ledger *ledger; /* NULL unless asked for (analyze_options.ledger) */
	enum verdict verdict;

	/* Of the rule that was broken: what it means and what to do; NULL where anomaly_by_type is 0. */
	const char *anomaly_summary[ALARM_TYPE_COUNT][LANG_COUNT];
	const char *anomaly_advice[ALARM_TYPE_COUNT][LANG_COUNT];
};

void findings_free(struct findings *f);

#endif
