/* findings.h - the result of an analysis, from which text, JSON, HTML and terminal output are made.
 *
 * Ownership  everything lives in the findings' arena; findings_free releases all of it.
 * Units      metric values in the metric's unit, times in Unix microseconds.
 * Unknown    a summary with count 0 has no other numbers; NAN marks a single unknown number.
 */
#ifndef RWKVMON_ANALYZE_FINDINGS_H
#define RWKVMON_ANALYZE_FINDINGS_H

#include "analyze/actions.h"
#include "analyze/diagnose.h"
#include "base/arena.h"
#include "spec/alarms.h"
#include "spec/input.h"
#include "spec/metrics.h"
#include "spec/pairs.h"

#include <stdint.h>

enum {
	FINDINGS_SKIPPED_MAX = INPUT_SKIPPED_MAX, /* skipped lines listed */
	FINDINGS_SESSIONS_MAX = 10000,            /* sessions listed */
	FINDINGS_EVENTS_MAX = 1000,               /* anomaly events listed */
	FINDINGS_CHARTED_SESSIONS = 8,            /* largest sessions that keep their own series */
	FINDINGS_BUCKETS_MAX = 512,               /* of a series */
	FINDINGS_HISTOGRAM_BINS = 48,
	FINDINGS_LIMITS_MAX = 128, /* limits in force */
	FINDINGS_CHANGES_MAX = 8,  /* change points of one metric */
	FINDINGS_WORST = 5,        /* worst moments of one metric */
	FINDINGS_OCTAVES = 32,     /* of the position in a sequence */
	FINDINGS_LAYERS_MAX = 256, /* whose norms are followed */
};

/* Statistics of one metric over some records. count, min, max are exact; mean and stddev (sample, n - 1) to 1e-9;
 * quantiles (linear interpolation between ranks) within 0.5 %. */
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
	size_t n;                            /* buckets, at most FINDINGS_BUCKETS_MAX */
	struct bucket *metric[METRIC_COUNT]; /* (n) each; NULL when the metric never occurs */
	struct bucket *apart[METRIC_COUNT];  /* (n) each: of one phase alone, where mixing both means little: latency
					      * and throughput of decode, chunk time of prefill; NULL: none */
};

/* Equal bins of log10(value) between the smallest and the largest value. */
struct histogram {
	size_t n;         /* 0: no values */
	double low, high; /* edges of the first and the last bin, in the metric's unit */
	uint64_t bin[FINDINGS_HISTOGRAM_BINS];
};

/* A limit by which at least one step was judged; a chart draws it as a line. A metric has several limits if it is
 * judged on both sides, by several rules, or differently by session. */
struct limit_in_force {
	enum metric_id metric;
	enum alarm_type type; /* raised by violating it */
	enum severity severity;
	bool above; /* values above it violate it; otherwise values below */
	double value;
};

/* A straight line through the means of the time buckets, by least squares; of the series'
 * `apart` where there is one. Changes and levels in the metric's unit. */
struct trend {
	size_t points;         /* buckets with values */
	double slope_per_hour; /* NAN when there are fewer than 3 points */
	double low, high;      /* its 95 % confidence interval; NAN when there are too few independent points */
	double start;          /* the line at the first bucket */
	double change;         /* from there to the last bucket; NAN as the slope */
	double independent;    /* effective number of independent points: neighbours are correlated */
	double memory_us;      /* how long the noise stays correlated: the sum of its autocorrelation; at most the whole
				* series */
	bool significant;      /* the 99 % interval also excludes 0; stricter because many metrics are tested */
};

/* The level of a metric jumped. */
struct change_point {
	enum metric_id metric;
	int64_t time_us;
	double before, after; /* mean levels up to the neighbouring change points */
	double score;         /* the jump divided by its error: 5 is clear */
	const char *instance; /* whose level it is; NULL: the log has one instance */
};

/* One of the worst steps, with all its metrics. */
struct moment {
	enum metric_id metric;  /* in which it is among the worst */
	double value;           /* of that metric */
	const char *session_id; /* "" when the session is not listed */
	int64_t time_us;
	enum phase phase;
	uint32_t sequence, token_count;
	uint64_t sequence_length;
	uint64_t have; /* bit m: of[m] is known */
	double of[METRIC_COUNT];
};

/* The correlation of two columns over the same steps, without prefill: Pearson's r. */
struct correlation {
	enum pair_id pair;   /* of spec/pairs.def */
	uint64_t steps;      /* that have both; a uniform sample of them when there are very many */
	double independent;  /* effective number of independent steps: neighbours are correlated */
	double r, low, high; /* 95 % confidence interval; -1 to 1 if there are too few independent steps */
};

/* How much one call's time differs from that of the previous call with the same phase and number of tokens. */
struct jitter {
	uint64_t pairs; /* of calls compared */
	double mean_ms; /* mean of the absolute differences; NAN without pairs */
};

/* Metrics by position in the sequence, without prefill. */
struct by_position {
	uint64_t count[FINDINGS_OCTAVES]; /* steps with sequence_length in [2^i, 2^(i+1)) that have the metric */
	double mean[FINDINGS_OCTAVES];    /* NAN where there are none */
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
	uint64_t sequence_length; /* the token where it began, else that step's length; 0, and no sequence: unknown */
	double layer;             /* the first non-finite one; NAN unknown */
};

/* A sample of the state's drift from the start of its sequence. */
struct drift_at {
	int64_t time_us;
	uint32_t sequence;
	uint64_t sequence_length; /* that step's tokens included; 0: unknown */
	double value;             /* 1 - cosine: 0 where it began, 1 at right angles, 2 opposite */
};

struct drift {
	uint64_t samples; /* 0: none, and the rest means nothing */
	struct drift_at first, last, most;
};

struct state_evolution {
	double path;                      /* sum of the relative changes of all steps; NAN unknown */
	uint64_t pairs;                   /* that the correlation with entropy is of */
	struct first_bad first_nonfinite; /* of logits or state */
	struct first_bad first_bad;       /* non-finite values, a loop, a jump or a leak: the earliest according to
					   * rules or live alarms */
	struct layer_norm *layer;         /* (n_layers); NULL: the log has no norms */
	size_t n_layers;
	struct drift drift;
};

/* The earliest bad step of a kind over all sessions, listed or not. */
struct bad_session {
	struct first_bad at; /* the earliest; not known: none had it */
	const char *session_id, *instance;
};

struct collapse_findings {
	double worst; /* correlation of similarity and entropy, over enough steps; NAN when there is none */
	const char *session_id;
	uint64_t warned; /* records of sessions with a warning */
};

/* Healthy: nothing needs attention. Attention: a fault. Critical: non-finite values, or a critical alarm or critical
 * rule of the user that no milder cause explains. Undecided: the log has too little data. */
enum verdict { VERDICT_HEALTHY, VERDICT_UNDECIDED, VERDICT_ATTENTION, VERDICT_CRITICAL, VERDICT_COUNT };

/* Does an instance still write? Silent: it has not ended its session, and others continued for minutes without it. */
enum instance_state { INSTANCE_RUNNING, INSTANCE_ENDED, INSTANCE_SILENT, INSTANCE_STATE_COUNT };

extern const char *const instance_state_ids[INSTANCE_STATE_COUNT]; /* "running", "ended", "silent" */

struct instance_evidence; /* analyze/instances.h */

/* What instances that became slower at the same time share, and the others do not. */
enum shared { SHARED_HOST, SHARED_MODEL, SHARED_STRATEGY, SHARED_DEVICE, SHARED_COUNT };

extern const char *const shared_ids[SHARED_COUNT]; /* "host", "model_name", "strategy", "device" */

/* Local: each on its own. Group: at the same time, and alike in something. Common: nearly all at the same time. */
enum slowdown_scope { SLOWDOWN_NONE, SLOWDOWN_LOCAL, SLOWDOWN_GROUP, SLOWDOWN_COMMON, SLOWDOWN_SCOPE_COUNT };

extern const char *const slowdown_scope_ids[SLOWDOWN_SCOPE_COUNT]; /* "none", "local", "group", "common" */

/* Instances that became slower and stayed so. */
struct slowdown {
	enum slowdown_scope scope;
	size_t slowed, of;                /* instances; of those with steps enough to tell */
	size_t together;                  /* the most of them at one time */
	int64_t from_us, to_us;           /* of these */
	double times;                     /* how many times slower these became, in the middle */
	const char *instance;             /* the one that slowed most */
	const char *shared[SHARED_COUNT]; /* of these, in a group; NULL: not shared */
};

enum { INSTANCE_SLICES = 48 };

/* All sessions of one host:pid. */
struct instance_findings {
	const char *instance;                       /* "" when unknown */
	const char *model_name, *strategy, *device; /* of its largest session; "" unknown */
	uint64_t sessions, records, tokens;
	int64_t from_us, to_us;
	enum instance_state state;
	struct summary metric[METRIC_COUNT];
	struct summary decode_latency; /* token_latency_ms of its decode steps; of all when none says what it is */
	uint64_t alarms;               /* that the collector itself raised */
	uint64_t violating;            /* steps that break a rule */
	struct trend *
		trend; /* (METRIC_COUNT); NULL: the log has one instance, or none of this one's sessions has a series */
	double trouble; /* how far out the worst of it is among its peers, on the bad side: a robust z; 0: like them */
	const struct peer_outlier *outlier; /* that one; NULL: none */
	size_t group;                       /* of the peers, by its largest session; SIZE_MAX: it has none */
	double slower;                      /* its token latency over the median of that group; NAN: unknown */
	const struct instance_evidence *evidence;

	/* By what is known of it alone. */
	enum verdict verdict;
	enum cause_id cause;
	enum confidence confidence;
	int64_t since_us; /* 0: from the start, or unknown */
	const char *session_id;
	uint64_t by_chance; /* bits of causes that its log shows, and so many of all instances by chance, too */

	double course[INSTANCE_SLICES]; /* ms per token in equal slices of the log's time, of its host; NAN: none */

	bool timed;          /* it has steps enough to tell whether it became slower */
	double times_slower; /* its slow part beside its fast one, when it became slower and stayed so; else NAN */
	int64_t slower_us;   /* since when */
	struct slower_part {
		double times;                   /* NAN: it did not become slower, not even mildly */
		double decode_ms;               /* of its slow part */
		int64_t earliest_us, latest_us; /* it began in between */
		bool together;                  /* with the others of the slowdown's scope */
	} slower_part; /* also when it became so little slower that this counts only beside others */
};

/* An instance that differs from the others with its model, strategy and device. */
struct peer_outlier {
	const char *instance, *model_name, *strategy, *device; /* "" unknown */
	enum metric_id metric;
	bool is_worse;       /* slower, larger, more surprised; false: faster or smaller than the others */
	double value, usual; /* its own, and the median of the group; of surprisal: what the group would have at its
				entropy */
	bool is_ratio;       /* told as value / usual, else as their difference */
	double z;            /* robust: signed distance in spreads of the group */
	size_t peers;        /* it is held against */
	int64_t since_us;    /* first session that shows it; 0: all do */
};

/* Instances of equal model, strategy and device. */
struct peer_group {
	const char *model_name, *strategy, *device; /* "" unknown */
	size_t instances;
	double latency_ms; /* median of their medians per token; NAN: too few have one */
};

/* A group in which so many instances differ that its hosts must be of two kinds: no instance is named. */
struct peer_mixture {
	size_t group;
	enum metric_id metric;
	size_t apart, of;    /* instances: that stand apart, in all */
	double value, usual; /* medians of those, and of the group */
};

struct peer_findings {
	struct peer_outlier *outlier; /* (n_outliers), the farthest first */
	size_t n_outliers;
	struct peer_group *group; /* (n_groups), by name */
	size_t n_groups;
	size_t groups;                /* of them that are large enough to compare */
	size_t compared, alone;       /* instances in them; instances with too few peers */
	size_t mixed;                 /* comparisons in which so many stand apart that hosts must be of two kinds */
	struct peer_mixture *mixture; /* (n_mixtures): of each such metric of a group the first */
	size_t n_mixtures;
};

enum { FINDINGS_COLLAPSE_PAIRS = 30 }; /* steps a collapse warning needs */

struct session_findings {
	const char *session_id, *model_name, *strategy, *instance; /* instance "" when unknown */
	uint64_t records, tokens, sequences;
	int64_t from_us, to_us;
	uint64_t metrics;                  /* bits of those that it has: session_metric */
	const struct summary *summary;     /* of these, one after the other */
	double similarity_entropy_pearson; /* NAN when undefined */
	bool collapse_warning;             /* that correlation is below -0.5, over enough steps to tell */
	struct state_evolution state;
	struct jitter jitter[PHASE_COUNT]; /* of chunk_process_time_ms */
	const struct series *series;       /* NULL unless one of the largest sessions */
};

/* One that it has not is missing in all of its records. */
struct summary session_metric(const struct session_findings *s, enum metric_id m);
void session_metrics(const struct session_findings *s, struct summary out[METRIC_COUNT]);

/* Keeps those that were there; false: no memory. */
bool session_set_metrics(struct session_findings *s, const struct summary from[METRIC_COUNT], struct arena *arena);

struct anomaly_event {
	enum alarm_type type;
	enum severity severity;
	const char *session_id;
	int64_t from_us, to_us;
	uint64_t records; /* violating records in it */
	double worst;     /* value farthest beyond the limit */
	double limit;
	enum metric_id metric;
	const char *instance; /* "" unknown */
};

struct time_breakdown; /* analyze/time_breakdown.h */
struct foreseen;
/* A rule that judged nothing: no record has the metric `lacks`; METRIC_COUNT: it is for vocabularies of these sizes,
 * which no session has. */
struct unjudged_rule {
	const char *rule;
	enum metric_id lacks;
	uint64_t vocab_above, vocab_at_most; /* 0 and UINT64_MAX: no bound */
};

struct departure;
struct judgement;

/* Alarms that receivers did not get, as session_end lines say. */
struct undelivered {
	uint64_t alarms, critical; /* critical: lost for good */
	const char *why;           /* of the first line that has critical ones, else of the first; "" unknown */
};

struct findings {
	struct arena arena;

	const char **files; /* (n_files) */
	size_t n_files;
	bool has_input; /* it is known what was read: the files, if they are listed, their lines and what was skipped */
	uint64_t bytes, lines, records, skipped_lines; /* records: inference steps */
	uint64_t unreadable_lines;                     /* of the skipped ones: see spec/input.h */
	uint64_t untimed_lines;                        /* their times are impossible: read/read.h */
	struct skipped_line skipped[FINDINGS_SKIPPED_MAX];
	size_t n_skipped;

	int64_t from_us, to_us; /* of the steps; both 0 when there are none */
	uint64_t tokens;
	struct summary metric[METRIC_COUNT];
	struct summary phase[PHASE_COUNT][METRIC_COUNT]; /* prefill and decode apart; [0]: steps that do not say */
	struct series series;
	struct histogram latency[PHASE_COUNT]; /* token_latency_ms */

	bool filtered;                    /* only steps of a session, or within times, were asked for */
	struct session_findings *session; /* (n_sessions), in order of their first record */
	size_t n_sessions;
	uint64_t missing_records; /* by the lines' numbers, or session_end's count; 0 when filtered */
	uint64_t
		doubled_records; /* lines whose number was there before, and that were counted again; 0 when filtered */
	size_t sessions_from;    /* the number of the first of them */
	uint64_t sessions_total;
	uint64_t sessions_unlisted; /* beyond those that are distinguished: they are in the sums alone */

	struct bad_session first_bad[ALARM_TYPE_COUNT];    /* by what went wrong */
	struct bad_session first_alarm[ALARM_TYPE_COUNT];  /* that the collector itself wrote */
	struct bad_session first_broken[ALARM_TYPE_COUNT]; /* step that violates a rule */
	struct bad_session first_lasted[ALARM_TYPE_COUNT]; /* … for longer than its `for` */
	struct bad_session firing[ALARM_TYPE_COUNT];       /* alarms of rules, warnings at least, that were on after the
							    * session's last step; the one that is on for longest */
	struct collapse_findings collapse;

	struct trend trend[METRIC_COUNT]; /* unknown where the log has several instances: each has its own */
	struct change_point *change;      /* (n_changes), by instance, metric, time */
	size_t n_changes;

	struct moment *worst; /* (n_worst), by metric, the worst first; metrics that never vary have none */
	size_t n_worst;
	struct correlation *correlation; /* (n_correlations), the strongest first */
	size_t n_correlations;
	struct jitter jitter[PHASE_COUNT];          /* of chunk_process_time_ms */
	struct by_position *position[METRIC_COUNT]; /* NULL: not followed, or never seen */

	struct instance_findings *instance; /* (n_instances), in order of their first record */
	size_t n_instances;
	uint64_t instances_total;
	uint64_t instances_untimed;    /* processes beyond PARTS_MAX: no times, no cause that follows from them */
	uint64_t instances_unforeseen; /* whose series were not looked at, where that was asked for */
	struct peer_findings peers;
	struct slowdown slowdown;

	const char *rule_set;         /* that the anomalies were judged by */
	struct limit_in_force *limit; /* (n_limits), by metric */
	size_t n_limits;
	uint64_t types_judged;   /* alarm types that a rule could judge in some record, a bit each */
	uint64_t types_unsuited; /* … that none could, since all of them are for other vocabularies */
	uint64_t types_silent;   /* … although it fits and its metrics are there: no record counted, or no limit
				    was known */
	struct unjudged_rule *unjudged; /* (n_unjudged) */
	size_t n_unjudged;
	uint64_t anomaly_records;                   /* steps that violate at least one rule */
	uint64_t anomaly_by_type[ALARM_TYPE_COUNT]; /* violating records */
	uint64_t lasted_by_type[ALARM_TYPE_COUNT];  /* of these, for longer than the rule's `for` */
	double deepest_drop;                        /* the lowest similarity of sudden drops; 1: none */
	struct anomaly_event *event;                /* (n_events), by time */
	size_t n_events;
	uint64_t events_total;

	uint64_t anomaly_critical, lasted_critical;  /* steps that violate a critical rule; for longer than its `for` */
	uint64_t live_critical;                      /* of live_alarms, those that are critical */
	uint64_t live_alarms[ALARM_TYPE_COUNT];      /* alarms the collector itself wrote */
	uint8_t live_gravest[ALARM_TYPE_COUNT];      /* 1 + the severity of the gravest of these; 0: none */
	uint64_t live_collapse[COLLAPSE_KIND_COUNT]; /* those of mode_collapse, by kind */
	uint64_t dropped;                            /* records the log's gaps say were lost */
	struct undelivered undelivered;

	struct departure *departure; /* (n_departures), when asked for: analyze/departures.h */
	size_t n_departures;
	uint64_t departures_left_out; /* for want of room, more than these, less rare */

	struct foreseen *foreseen; /* (n_foreseen), when asked for: analyze/foreseen.h */
	size_t n_foreseen;

	struct action_counts actions;

	const struct time_breakdown *time_breakdown;
	const struct judgement *judgement; /* the verdict on all of this: analyze/judgement.h */

	/* Of the rule that was broken: what it means and what to do; NULL where anomaly_by_type is 0. */
	const char *anomaly_summary[ALARM_TYPE_COUNT][LANG_COUNT];
	const char *anomaly_advice[ALARM_TYPE_COUNT][LANG_COUNT];
};

/* (n_instances) into `out`, the worst first: by verdict, silence, distance from its peers, slowdown, alarms, what
 * may be chance, steps that break a rule; then in order of their first records. */
void instances_by_trouble(const struct findings *f, const struct instance_findings **out);

void findings_free(struct findings *f);

#endif
