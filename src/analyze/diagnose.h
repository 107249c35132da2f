/* diagnose.h - finds one named cause for the findings of a log, by walking the tree of spec/diagnosis.def.
 *
 * Each part of a log (one model with one strategy on one host) is diagnosed separately; the most severe answer is
 * reported.
 *
 * Ownership  a diagnosis borrows texts of its findings and owns nothing.
 * Threads    a pure function of its arguments, but for what is kept of facts.
 */
#ifndef RWKVMON_ANALYZE_DIAGNOSE_H
#define RWKVMON_ANALYZE_DIAGNOSE_H

#include "analyze/chance.h"
#include "spec/diagnosis.h"

#include <stdint.h>

struct facts_kept;
struct findings;
struct time_part;

enum confidence { CONFIDENCE_LOW, CONFIDENCE_MEDIUM, CONFIDENCE_HIGH, CONFIDENCE_COUNT };

/* The source of the memory's bandwidth. */
enum bandwidth_source { BANDWIDTH_UNKNOWN, BANDWIDTH_GIVEN, BANDWIDTH_MEASURED, BANDWIDTH_VENDOR };

struct diagnose_options {
	double bandwidth_gb_s; /* 0 or NAN: look the log's GPU up */
	bool bandwidth_is_measured;
	double goal_tps;    /* the speed goal of a stream; 0: none */
	bool rules_are_own; /* the user named the rule set: every violation of it counts */
	const double *bar;  /* (ANSWER_COUNT), of many instances: findings count whose chance is below; NULL: all do */
	const struct facts_kept *kept; /* of what is diagnosed; NULL: none are kept (facts.h) */
};

/* One sentence of evidence_specs with its numbers; seen while `answer` was tested. */
struct evidence {
	enum evidence_id id;
	enum answer_id answer;
	double value[EVIDENCE_VALUES];
	const char *text; /* for the unit T; "" */
};

struct diagnosis_step {
	enum question_id question;
	enum answer_id answer;
};

enum { DIAGNOSIS_EVIDENCE_MAX = EVIDENCE_COUNT };

struct diagnosis {
	enum cause_id cause;
	enum confidence confidence;
	double gain;         /* what the log says of it, for the %s of the cause's gain; NAN: nothing */
	char gain_unit;      /* as evidence units */
	unsigned situations; /* bits of enum situation: which fix is meant */

	struct diagnosis_step step[QUESTION_COUNT]; /* the path */
	size_t n_steps;
	bool ruled_out[ANSWER_COUNT];                     /* measured on the path, and found not to hold */
	bool not_measured[ANSWER_COUNT];                  /* on the path, and the log does not hold what it needs */
	bool by_chance[ANSWER_COUNT];                     /* found, but its chance is not below the bar */
	struct chances chance;                            /* of what was found */
	struct evidence evidence[DIAGNOSIS_EVIDENCE_MAX]; /* of everything tested on the path */
	size_t n_evidence;
	enum evidence_id missing[EVIDENCE_COUNT]; /* what could not be tested */
	size_t n_missing;
	enum cause_id also[CAUSE_COUNT]; /* other causes whose tests hold */
	size_t n_also;
	enum cause_id advice[CAUSE_COUNT]; /* what limits the speed when no goal was set */
	size_t n_advice;

	enum bandwidth_source bandwidth_source;
	double bandwidth_gb_s, achieved_gb_s; /* NAN: unknown */
	double bytes_per_token;

	const struct time_part *part; /* that it is about; NULL: there are no steps */
	size_t parts;                 /* that were walked */
	int64_t since_us;             /* when it began; 0: from the start, or unknown */
	uint64_t since_token;         /* of its sequence, counted from 1; 0: unknown, or no matter of a token */
	const char *instance;         /* whose; "" unknown, or more than one */
	const char *device;           /* the GPU that it is about, "cuda:1"; "": none, or the only one */
	const char *session_id;       /* that it is about; "": more than one, or the whole part */
};

extern const char *const confidence_ids[CONFIDENCE_COUNT]; /* "low", "medium", "high" */
extern const char *const bandwidth_source_ids[];           /* "unknown", "given", "measured", "vendor" */

/* False when memory is out, and *out says nothing. */
bool diagnose(struct diagnosis *out, const struct findings *f, const struct diagnose_options *opts);

/* Is that answer on the path? */
bool diagnosis_took(const struct diagnosis *d, enum answer_id a);

#endif
