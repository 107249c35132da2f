/* diagnose.h - findings in, one named cause out: the bottleneck tree of spec/diagnosis.def walked on the numbers.
 *
 * Ownership  a diagnosis borrows texts of its findings and owns nothing.
 * Threads    a pure function of its arguments.
 */
#ifndef RWKVMON_ANALYZE_DIAGNOSE_H
#define RWKVMON_ANALYZE_DIAGNOSE_H

#include "analyze/findings.h"
#include "spec/diagnosis.h"

enum confidence { CONFIDENCE_LOW, CONFIDENCE_MEDIUM, CONFIDENCE_HIGH, CONFIDENCE_COUNT };

/* Where the memory's bandwidth is known from. */
enum bandwidth_source { BANDWIDTH_UNKNOWN, BANDWIDTH_GIVEN, BANDWIDTH_MEASURED, BANDWIDTH_VENDOR };

struct diagnose_options {
	double bandwidth_gb_s; /* NAN: look the log's GPU up */
	bool bandwidth_is_measured;
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

enum { DIAGNOSIS_EVIDENCE_MAX = 96 };

struct diagnosis {
	enum cause_id cause;
	enum confidence confidence;
	double gain; /* what the log says of it, for the %s of the cause's gain; NAN: nothing */
	char gain_unit; /* as evidence units */

	struct diagnosis_step step[QUESTION_COUNT]; /* the path */
	size_t n_steps;
	bool ruled_out[ANSWER_COUNT]; /* tested on the path, and not so */
	struct evidence evidence[DIAGNOSIS_EVIDENCE_MAX]; /* of everything tested on the path */
	size_t n_evidence;
	enum evidence_id missing[EVIDENCE_COUNT]; /* what could not be tested */
	size_t n_missing;
	enum cause_id also[CAUSE_COUNT]; /* other causes whose tests hold */
	size_t n_also;

	enum bandwidth_source bandwidth_source;
	double bandwidth_gb_s, achieved_gb_s; /* NAN: unknown */
	double bytes_per_token;
	const char *session_id; /* whose session_start spoke; "" */
};

extern const char *const confidence_ids[CONFIDENCE_COUNT]; /* "low", "medium", "high" */
extern const char *const bandwidth_source_ids[]; /* "unknown", "given", "measured", "vendor" */

/* Findings need their ledger (analyze_options.ledger); without it there is not enough data. */
void diagnose(struct diagnosis *out, const struct findings *f, const struct diagnose_options *opts);

/* Is that answer on the path? */
bool diagnosis_took(const struct diagnosis *d, enum answer_id a);

#endif
