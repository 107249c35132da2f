/* facts.h - what the tests of the diagnosis look at, gathered once from the findings and the ledger.
 *
 * Ownership  texts are borrowed from the findings. Unknown numbers are NAN. */
#ifndef RWKVMON_ANALYZE_FACTS_H
#define RWKVMON_ANALYZE_FACTS_H

#include "analyze/ledger.h"
#include "analyze/diagnose.h"

/* A metric's mean in both parts. */
struct level {
	bool known; /* in both */
	double slow, fast;
};

/* The slow part of the log beside the fast one: stretches whose decode takes at least 1.35 times, and at most 1.15
 * times, as long as a fast stretch (the 25th percentile). */
struct shift {
	bool known; /* there are stretches enough */
	bool fell;  /* a slow part that lasts */
	double slow_decode, fast_decode, slow_pause, fast_pause; /* ms per call */
	double slow_s; /* that the slow part lasts; figures sampled every 5 s say nothing of less */
	struct level cpu, machine, waiting, stopped, clock, hot, gpu, gpu_clock, gpu_hot, gpu_power;
};

/* A resource at the run's beginning (warm-up left out) and end. */
struct growth {
	bool known;
	double from, to;
	double rises; /* share of its tenths that are above the one before */
};

/* Pauses as a + b * length + c * time. */
struct pauses {
	bool apart; /* length and time can be told apart */
	double per_1000_tokens, per_minute;
	double length_share; /* of the growth */
};

struct repetition {
	bool known;
	double early_pct, early_tokens, late_pct, late_tokens;
};

struct facts {
	const char *strategy, *flags, *gpu; /* "" when unknown */
	bool cuda, fp16, offloaded, kernel_off, kernel_unsaid;
	double prefill_share, decode_share, pause_share; /* of the time in a sequence */
	double prefill_token_ms, decode_token_ms;
	double chunk_tokens; /* of a prefill call, weighted by tokens */
	double big_chunk_token_ms, small_chunk_token_ms; /* NAN unless both sizes occur */
	double gpu_idle_pct;
	double vram_mb, vram_plan_mb;
	double bytes_per_token, bandwidth_gb_s, achieved_gb_s;
	enum bandwidth_source bandwidth_source;
	struct shift shift;
	struct growth memory;
	struct pauses pauses;
	struct repetition repetition;
};

void facts_of(struct facts *out, const struct findings *f, const struct diagnose_options *opts);

/* Pearson's; NAN when undefined. */
double line_correlation(const struct ledger_line *l);

#endif
