/* tuning.h - what `tune` measured, and the choice that follows from it.
 *
 * A candidate is one way to run the model. A heat races candidates in one phase; tuning_choose says which of them to
 * take within the limits, and what each of the others is beside it.
 *
 * Ownership  plain values; texts are borrowed.
 * Units      memory in MiB, divergence in nats. Unknown is NAN.
 */
#ifndef RWKVMON_ANALYZE_TUNING_H
#define RWKVMON_ANALYZE_TUNING_H

#include "spec/alarms.h"
#include "stats/race.h"

#include <stdint.h>

enum tuning_objective { TUNE_DECODE, TUNE_PREFILL, TUNE_MEMORY, TUNE_OBJECTIVES };

enum tuning_fate {
	FATE_UNMEASURED, /* the time was over */
	FATE_CHOSEN,
	FATE_SAME,      /* as fast as the chosen one, as far as can be told */
	FATE_UNDECIDED, /* the interval holds 0 and much else, or there is none yet */
	FATE_SLOWER,    /* beyond doubt */
	FATE_FASTER,    /* beyond doubt, but the objective is memory */
	FATE_LEFT,      /* seemed slower and left the race before that was beyond doubt */
	FATE_MEMORY,    /* needs more than --max-memory */
	FATE_QUALITY,
	FATE_SPEED, /* cannot be shown to reach --min-tps */
	FATE_TWIN,  /* the same weights as a candidate before it */
	FATE_FAILED,
	FATE_COUNT
};

struct tuning_candidate {
	const char *strategy;
	size_t strategy_number; /* which of the strategies asked for */
	bool skip_zeros;
	int threads;
	size_t chunk_len;

	double memory_mb; /* resident, of a process that holds this model alone */
	double kl, kl_high,
		top1; /* against the file's own weights: mean, upper end of its 95 % interval, agreement 0..1 */
	struct race_gap level;  /* ln of ns per token, with its own 95 % interval */
	struct race_gap behind; /* of the time per token, the chosen one's subtracted */
	enum tuning_fate fate;
	bool front;      /* no other is better in speed, memory or divergence without being worse in another */
	const char *why; /* FATE_FAILED */
};

struct tuning_limits {
	double memory_mb, kl, tps; /* NAN: none */
};

struct tuning_heat {
	enum phase phase;
	double seconds; /* that it took */
	struct race race;
	struct tuning_candidate of[RACE_MAX]; /* (race.n) */
	size_t chosen;                        /* race.n: none is within the limits */
};

struct tuning {
	const char *model, *dtype; /* of the file's own weights */
	enum tuning_objective objective;
	struct tuning_limits limits;
	struct tuning_heat heat[2]; /* the objective's, and of what that leaves open; race.n 0: was not run */
	uint64_t quality_tokens;
	int cores;
	double seconds;
	bool interrupted, out_of_time;
	bool python; /* of the package rwkv, not of the built-in runtime */
};

/* Before the race: who is out because of memory or quality. Others keep their fate. */
void tuning_limit(struct tuning_heat *heat, const struct tuning_limits *limits);

/* After it: the levels, the choice, every fate, the front. Of those as fast as the fastest, the one that needs the
 * least memory; then the least divergence; then the fewest threads. */
void tuning_choose(struct tuning_heat *heat, const struct tuning_limits *limits, enum tuning_objective objective);

/* Tokens per second of a level. */
double tuning_tps(double ln_ns);

/* Candidates in the order of a table: the fastest first, those without a speed last. */
void tuning_order(const struct tuning_heat *heat, size_t order[RACE_MAX]);

#endif
