/* facts.h - the numbers of one part of a log that the tests of the diagnosis use.
 *
 * Ownership  borrows texts of the findings. NAN marks values that the log does not have. */
#ifndef RWKVMON_ANALYZE_FACTS_H
#define RWKVMON_ANALYZE_FACTS_H

#include "analyze/diagnose.h"
#include "analyze/time_breakdown.h"

/* A sampled metric in the slow part and in the fast part of a log. */
struct level {
	bool known;
	double slow, fast;
};

/* What a clock, heat and power were on both sides. */
struct clocks {
	struct level clock, hot, power;
};

/* A sampled metric over the whole part. */
struct steady {
	bool known;     /* seen, and not always 0 */
	double samples; /* steps that have it */
	double mean;    /* of the steps */
	double highest; /* of a tenth of the stretches */
};

/* The slow stretches compared with the fast ones. `fell`: the slow ones come last. */
struct shift {
	bool known, fell;
	bool slow_alone;  /* all slow stretches lie in one run that reaches the end */
	size_t runs;      /* of slow stretches in a row */
	size_t recovered; /* how many of these were followed by a fast one */
	double slow_decode, fast_decode, slow_pause, fast_pause; /* ms per call */
	double slow_s;
	int64_t since_us;               /* the first call of the first slow stretches */
	int64_t earliest_us, latest_us; /* it began in between: in these, or in those before them */
	struct level level[LEVEL_COUNT];
	struct level others;            /* the machine's load without this process */
	struct clocks device[GPUS_MAX]; /* of each GPU of the part's devices */
};

/* A sampled figure at the part's beginning (warm-up left out) and end. */
struct growth {
	bool known;
	double from, to;
	double steepest;   /* the largest rise within two tenths, as a share of the whole */
	double rises;      /* share of its tenths that are above the one before */
	double goes_on;    /* growth of the second half over that of the first */
	int64_t since_us;  /* of its first tenth */
	double by_renewal; /* by how much processes had more than the ones before them, in sum; at least 0 */
};

/* Pauses as a + b * length + c * time. */
struct pauses {
	bool apart; /* length and time can be told apart */
	double per_1000_tokens, per_minute;
	double length_share; /* of the growth */
	double steepest;     /* the largest rise within two tenths of the log, as a share of the whole */
	double grows_ms;     /* over what is between the tenth and the ninetieth percentile */
	double r;            /* correlation, with the better of both */
};

/* The calls that took far longer than the median. */
struct slow_calls {
	double n, ms, share_pct; /* of the calls */
	double time_pct;         /* of decode's time that they took beyond the median */
	double times;            /* their mean over the median */
};

/* The last stretches of the log in which the model was hardly ever uncertain. */
struct sureness {
	double tokens, mean_nats, unsure_pct; /* of them */
	int64_t since_us;
	double spread;      /* standard deviation of entropy over its mean */
	double error;       /* standard error of that */
	double before_nats; /* NAN: it was so from the start */
};

/* The stretches of the log that repeat more than any content does, beside all others; NAN where there are none. */
struct repeating {
	double tokens, rate, nats;
	double other_rate, other_nats;
};

/* Is the model so certain, for so long, that something is wrong? */
bool is_sure(const struct sureness *s);

/* From then on entropy is a small share of what it was, though the text repeats as it did. */
struct entropy_fall {
	double tokens, answers; /* of the session, or of all sessions since */
	double nats, before_nats;
	int64_t since_us;
	const char *session_id;
	bool between; /* from one session to the next, which may be about something else */
};

bool has_fallen(const struct entropy_fall *f);

/* Does something add to the state call by call? */
bool state_grows(const struct time_part *p);

struct first_calls {
	double ms, usual_ms; /* of the first few calls; NAN unknown */
	double calls;
	bool alone; /* no later stretch of the log is as slow */
};

/* Of decode calls with the length of their sequence, along a line: at the 10th and the 90th percentile of the lengths.
 */
struct growing {
	double r2; /* what the length explains; 0: there is no line that rises */
	double short_tokens, short_ms, long_tokens, long_ms; /* as the line has it */
	double mean_ms;
	double sequences, rising;
};

/* One of several GPUs. */
struct device_fact {
	const struct device *of;
	bool used;                                             /* by the strategy */
	double full_pct, used_mb, total_mb, busy_pct, hot_pct; /* NAN unknown; the first: of a tenth of the time */
	double samples;                                        /* of its heat */
	struct growth memory;
};

struct facts {
	const struct time_part *p;
	const char *strategy, *flags, *gpu, *runtime, *version; /* "" when unknown */
	struct device_fact device[GPUS_MAX];
	size_t n_devices;
	double gpus; /* that take turns in a call; 1: one, or none */
	bool cuda, fp16, int8, offloaded, kernel_off, kernel_unsaid;
	double prefill_share, decode_share, pause_share; /* of the time in a sequence */
	double seconds;                                  /* from the first step to the last */
	double prefill_token_ms, decode_token_ms, median_ms;
	double chunk_tokens, chunk_calls;                /* of a prefill call, weighted by tokens; calls in a prompt */
	double big_chunk_token_ms, small_chunk_token_ms; /* NAN unless both sizes occur */
	double speed_tps, goal_tps;                      /* of a stream while it generates */
	double vram_plan_mb;
	double bytes_per_token, bandwidth_gb_s, achieved_gb_s;
	bool bandwidth_is_exceeded;
	enum bandwidth_source bandwidth_source;
	struct shift shift, mild; /* mild: a smaller difference counts */
	struct shift prefill;     /* of prompts: ms of a usual call of theirs */
	struct shift beside;      /* one in between, which counts beside other instances that slowed more */
	struct growth memory, vram, repetition, queue;
	struct pauses pauses;
	struct growing growing;
	struct slow_calls tail, stalls;
	struct sureness sure;
	struct entropy_fall fall, doubt; /* doubt: a quotation is such a fall, too; tokens 0: there is none */
	struct repeating repeating;
	struct first_calls first;
	struct steady level[LEVEL_COUNT];
	double waiting_pct,
		stopped_pct; /* over the whole part; NAN: known neither by a session_end nor by enough samples */
	double others_pct;   /* the machine's load without this process */
	double gpu_busy_pct; /* while calls ran */
};

/* Stops in calls, prompts and pauses: how many, and their time. Long pauses inside answers count if there are several:
 * a single one may be a clock that was set. */
double stops_of(const struct facts *x);
double stops_ms(const struct facts *x);
/* Of prefill, decode and pauses. */
double time_of(const struct facts *x);

/* Of a breakdown's parts: each instance's diagnosis asks for them, and that of all together does again. */
struct facts_kept {
	struct time_part *const *part; /* (n), borrowed */
	size_t n;
	struct facts **of; /* (n); NULL: not asked for yet */
};

/* Of nothing so far. False when memory is out: it stays so. */
bool facts_keep(struct facts_kept *kept, const struct time_breakdown *t);
void facts_forget(struct facts_kept *kept);

/* The same whenever it is asked for, as long as opts->kept is kept for the same options. False when memory is out. */
bool facts_of(struct facts *out, const struct time_part *p, const struct diagnose_options *opts);

#endif
