/* ruleset.h - rules as data: rule files are read into these structs, and judging uses them. */
#ifndef RWKVMON_RULES_RULESET_H
#define RWKVMON_RULES_RULESET_H

#include "base/arena.h"
#include "rules/rules.h"

enum { CONDITIONS_MAX = 4 };

enum limit_kind {
	LIMIT_NONE,
	LIMIT_ABSOLUTE, /* value */
	LIMIT_BASELINE, /* value x the baseline of the condition's metric */
	LIMIT_FIELD,    /* value x a number of session_start, such as vram_total_mb */
	LIMIT_METRIC,   /* value x another metric of the same record */
	LIMIT_VOCAB,    /* value x ln of the vocabulary's size, which is the entropy of a random choice */
	LIMIT_GOAL,     /* value x the speed goal: tokens/s, or ms per token if the metric is a time */
	LIMIT_LEARNED,  /* value x what is normal here (learned.h), and far enough from it */
};

struct limit {
	enum limit_kind kind;
	double value;
	union {
		enum field_id field;
		enum metric_id metric;
	} of;
	double plus;       /* added to the product */
	double deviations; /* for LIMIT_LEARNED: at least this many spreads from what is normal */
	double otherwise;  /* the limit if the reference is unknown; NAN: then there is none */
};

enum aggregate { BY_LAST, BY_MEAN, BY_MEDIAN, BY_MIN, BY_MAX, BY_P90, BY_SPREAD, AGGREGATE_COUNT };
extern const char *const aggregate_names[AGGREGATE_COUNT];

/* A distance from the recent median that counts as a jump: more than `deviations` median absolute deviations, and at
 * least `least`. */
struct sudden {
	double deviations, least;
	size_t of; /* records that are recent; 0: does not matter */
};

/* What the value will be is judged: followed for within_us along the line of the last over_us. */
struct foresight {
	int64_t within_us, over_us; /* within_us 0: the value itself is judged */
};

/* So rare that its like comes once in so many records, or outside the range seen by more than that share of it; 0: that
 * does not matter. */
struct rare {
	double once_in, beyond;
};

struct condition {
	enum metric_id metric;
	struct limit above, below; /* violated beyond either */
	size_t over;               /* records the aggregate is taken of; it must be full */
	enum aggregate by;
	struct sudden sudden;
	struct foresight forecast;
	struct rare unusual;
	double missing; /* the value to use if the metric is absent; NAN: not judged */
	bool absent;    /* violated where the metric is absent; then nothing else is judged */
};

/* The models for which a rule is judged, by vocabulary size. */
struct vocab_range {
	uint64_t above, at_most; /* tokens of the vocabulary; 0 and UINT64_MAX: any, also an unknown one */
};

struct rule {
	const char *name;
	enum alarm_type alarm;
	enum collapse_kind kind;
	enum severity severity;
	enum phase phase;                      /* PHASE_UNKNOWN: any */
	struct condition when[CONDITIONS_MAX]; /* (n_when): all must be violated; the first gives value and limit */
	size_t n_when;
	int64_t for_us;        /* the violation must last */
	int64_t cooldown_us;   /* from one firing to the next */
	double clear;          /* share of the limit by which the value must be back inside it to resolve */
	uint64_t warmup;       /* a session's first records never fire */
	uint64_t after_tokens; /* nor do a sequence's first tokens */
	struct vocab_range vocab;
	const char *summary[LANG_COUNT], *action[LANG_COUNT];
};

/* Settings of a set's rules that differ in replay. */
struct rules_override {
	bool has_warmup, has_over;
	uint64_t warmup;
	size_t over;
};

struct plan;

struct ruleset {
	struct arena arena;
	const char *name;
	const struct rule *rule; /* (n) */
	size_t n;
	struct rules_override live, replay;
	double baseline[METRIC_COUNT]; /* NAN: none given */
	size_t learn_records;          /* baseline is the median of so many records; 0: as given */
	struct ruleset *overlay;       /* stands in by alarm type, or NULL */
	uint64_t vocab_at_most;        /* an overlay's condition */
	const struct plan *plan[2];    /* by mode: how sessions are judged (plan.h) */
};

/* The first metric that the rule needs and none of these (bits as of record.have) is; METRIC_COUNT: it can judge. */
enum metric_id rule_lacks(const struct rule *rule, uint64_t have);

/* Has it no limits? */
static inline bool condition_is_bare(const struct condition *c)
{
	return c->above.kind == LIMIT_NONE && c->below.kind == LIMIT_NONE;
}

static inline bool condition_is_unusual(const struct condition *c)
{
	return c->unusual.once_in > 0 || c->unusual.beyond > 0;
}

/* Is the condition compared with what is learned? */
static inline bool condition_is_learned(const struct condition *c)
{
	return c->above.kind == LIMIT_LEARNED || c->below.kind == LIMIT_LEARNED;
}

/* Does the condition hold only where the metric is absent? "below: 0, missing: -1" says so, too, of a metric whose
 * values are never negative. */
static inline bool condition_asks_for_absence(const struct condition *c)
{
	return c->absent || (c->below.kind == LIMIT_ABSOLUTE && c->above.kind == LIMIT_NONE && !(c->below.value > 0) &&
			     c->missing < c->below.value);
}

#endif
