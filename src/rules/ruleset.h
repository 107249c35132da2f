/* ruleset.h - rules as data: what rule files are read into and what eval walks. */
#ifndef RWKVMON_RULES_RULESET_H
#define RWKVMON_RULES_RULESET_H

#include "base/arena.h"
#include "rules/rules.h"

enum { CONDITIONS_MAX = 4 };

enum limit_kind {
	LIMIT_NONE,
	LIMIT_ABSOLUTE, /* value */
	LIMIT_BASELINE, /* value x the baseline of the condition's metric */
	LIMIT_FIELD,	/* value x a number of session_start, such as vram_total_mb */
	LIMIT_METRIC,	/* value x another metric of the same record */
};

struct limit {
	enum limit_kind kind;
	double value;
	union {
		enum field_id field;
		enum metric_id metric;
	} of;
	double otherwise; /* when that is unknown; NAN: then there is no limit */
};

enum aggregate { BY_LAST, BY_MEAN, BY_MEDIAN, BY_MIN, BY_MAX };
extern const char *const aggregate_names[5];

/* A distance from the recent median that counts as a jump: more than `deviations` median absolute deviations, and at
 * least `least`. */
struct sudden {
	double deviations, least;
	size_t of; /* records that are recent; 0: does not matter */
};

struct condition {
	enum metric_id metric;
	struct limit above, below; /* violated beyond either */
	size_t over;		   /* records the aggregate is taken of; it must be full */
	enum aggregate by;
	struct sudden sudden;
	double missing; /* what an absent value means; NAN: nothing */
};

struct rule {
	const char *name;
	enum alarm_type alarm;
	enum collapse_kind kind;
	enum severity severity;
	enum phase phase; /* PHASE_UNKNOWN: any */
	struct condition when[CONDITIONS_MAX]; /* (n_when): all must be violated; the first gives value and limit */
	size_t n_when;
	int64_t for_us;	       /* the violation must last */
	int64_t cooldown_us;   /* from one firing to the next */
	double clear;	       /* share of the limit that must be regained to resolve */
	uint64_t warmup;       /* a session's first records never fire */
	uint64_t after_tokens; /* nor do a sequence's first tokens */
	const char *summary[LANG_COUNT], *action[LANG_COUNT];
};

/* What replay changes about a set's own rules. */
struct rules_override {
	bool has_warmup, has_over;
	uint64_t warmup;
	size_t over;
};

struct ruleset {
	struct arena arena;
	const char *name;
	const struct rule *rule; /* (n) */
	size_t n;
	struct rules_override live, replay;
	double baseline[METRIC_COUNT]; /* NAN: none given */
	size_t learn_records;	       /* baseline is the median of so many records; 0: as given */
	struct ruleset *overlay;       /* stands in by alarm type, or NULL */
	uint64_t vocab_at_most;	       /* an overlay's condition */
};

#endif
