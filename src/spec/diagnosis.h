/* diagnosis.h - the bottleneck tree of diagnosis.def as data.
 *
 * Ownership  everything is constant and lives as long as the program. */
#ifndef RWKVMON_SPEC_DIAGNOSIS_H
#define RWKVMON_SPEC_DIAGNOSIS_H

#include "spec/lang.h"

#include <stdbool.h>
#include <stddef.h>

enum question_id {
#define QUESTION(name, ...) Q_##name,
#include "spec/diagnosis.def"
	QUESTION_COUNT
};

enum answer_id {
#define ANSWER(name, ...) A_##name,
#include "spec/diagnosis.def"
	ANSWER_COUNT
};

enum cause_id {
#define CAUSE(name, ...) CAUSE_##name,
#include "spec/diagnosis.def"
	CAUSE_COUNT
};

enum evidence_id {
#define EVIDENCE(name, ...) E_##name,
#include "spec/diagnosis.def"
	EVIDENCE_COUNT
};

enum threshold_id {
#define THRESHOLD(name, ...) T_##name,
#include "spec/diagnosis.def"
	THRESHOLD_COUNT
};

enum situation {
#define SITUATION(name, ...) IN_##name,
#include "spec/diagnosis.def"
	SITUATION_COUNT
};

struct question_spec {
	const char *id; /* "speed" */
	const char *text[LANG_COUNT];
};

struct answer_spec {
	enum question_id question;
	bool to_cause;
	int target; /* enum cause_id or enum question_id */
	const char *text[LANG_COUNT];
};

enum cause_kind { CAUSE_IS_FINE, CAUSE_IS_UNDECIDED, CAUSE_IS_FAULT, CAUSE_IS_GRAVE };

static inline bool cause_is_bad(enum cause_kind kind)
{
	return kind == CAUSE_IS_FAULT || kind == CAUSE_IS_GRAVE;
}

struct cause_spec {
	const char *id; /* "other_load" */
	enum cause_kind kind;
	int difficulty; /* 1..5 */
	const char *title[LANG_COUNT], *meaning[LANG_COUNT], *fix[LANG_COUNT], *gain[LANG_COUNT], *basis[LANG_COUNT];
};

enum { EVIDENCE_VALUES = 4 };

struct evidence_spec {
	const char *id;
	const char *units; /* one letter per value, see diagnosis.def */
	const char *text[LANG_COUNT];
};

struct threshold_spec {
	const char *id;
	double value, sure; /* NAN: there is no value from which the confidence is high */
	const char *unit;
	const char *text[LANG_COUNT];
};

struct fix_spec {
	enum cause_id cause;
	enum situation when;
	const char *text[LANG_COUNT];
};

extern const struct threshold_spec threshold_specs[THRESHOLD_COUNT];
extern const struct fix_spec fix_specs[];
extern const size_t fix_count;
extern const char *const situation_texts[SITUATION_COUNT][LANG_COUNT];

static inline double limit_of(enum threshold_id t)
{
	return threshold_specs[t].value;
}

/* Value from which (for a lower limit: down to which) the confidence is high. */
static inline double sure_of(enum threshold_id t)
{
	return threshold_specs[t].sure;
}

/* The fix for the cause in these situations (bits of enum situation). */
const char *cause_fix(enum cause_id cause, unsigned situations, enum lang lang);
/* Does the cause's gain hold in these situations? Some are those of int8 weights, which not every runtime can use, and
 * which may be in use already. */
bool cause_gain_holds(enum cause_id cause, unsigned situations);

extern const struct question_spec question_specs[QUESTION_COUNT];
extern const struct answer_spec answer_specs[ANSWER_COUNT]; /* by question, in the order they are tried */
extern const struct cause_spec cause_specs[CAUSE_COUNT];
extern const struct evidence_spec evidence_specs[EVIDENCE_COUNT];

/* The question's answers are [first, end). */
enum answer_id answers_first(enum question_id q);
enum answer_id answers_end(enum question_id q);

#endif
