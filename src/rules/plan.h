/* plan.h - what judging by a rule set needs of each session, found once for all sessions: which windows there are, who
 * looks at which, and what rules out a violation beforehand.
 *
 * Conditions that look at the same values share a window, with the longest span of them. Only a rule that learns
 * plainly has a window of its own, in which values beyond its limits are counted as they come.
 *
 * Ownership  immutable; lives in its set's arena, and refers to the set and its overlay.
 */
#ifndef RWKVMON_RULES_PLAN_H
#define RWKVMON_RULES_PLAN_H

#include "rules/ruleset.h"

enum {
	PLAN_RULES = 2 * RULES_MAX /* a set's and its overlay's */,
	PLAN_NO_WINDOW = UINT16_MAX,
	PLAN_NO_LIMITS = UINT16_MAX
};

/* The last `span` values of a metric in the records that fit. */
struct plan_window {
	enum metric_id metric;
	enum phase phase;      /* PHASE_UNKNOWN: any */
	double missing;        /* the value of records without the metric; NAN: they are left out */
	uint64_t after_tokens; /* a sequence's first tokens are left out */
	bool ordered;          /* of rules that learn: values come in the order of the log */
	bool learned;          /* values are multiples of what is normal */
	double above, below;   /* values beyond these are counted, of a rule's own window; NAN: no such bound */
	size_t span;
	size_t at; /* doubles of the windows before it */
};

/* How a condition looks at values: the rows of a table in conditions.c. */
enum condition_kind {
	CONDITION_VALUE,
	CONDITION_LEARNED,
	CONDITION_AHEAD,
	CONDITION_UNUSUAL,
	CONDITION_BEYOND,
	CONDITION_ABSENT
};

/* The limits of a condition; NAN: none (yet), or relative to another metric. */
struct limits_now {
	double above, below;
};

struct plan_condition {
	const struct condition *is;
	enum condition_kind kind;
	struct limits_now fixed; /* its limits in every session, unless they follow what a session says of itself … */
	uint16_t limits;         /* … then which of the session's they are; PLAN_NO_LIMITS: fixed */
	size_t over;             /* values of the aggregate; 1: there is no window */
	uint16_t window, recent; /* of the aggregate; of `sudden` */
	uint16_t state;          /* which of the session's structs of its kind */
	size_t far_above, far_below; /* so many values beyond the limit, at least, for the aggregate to be beyond it */
	size_t far_least;            /* … beyond one of the limits there are */
};

struct plan_rule {
	const struct rule *is;
	size_t first;      /* its first condition; is->n_when follow each other */
	uint64_t needs;    /* unless a record has these metrics, the rule is not violated, and takes nothing in; a paced
			      rule is only for records that have all of them */
	uint64_t warmup;   /* a session's first records never fire */
	uint16_t collapse; /* which of the session's, of a rule that finds them */
	bool learns;       /* compared with what all sessions of a scope have learned together */
	bool plainly;      /* … by one condition with a window of its own, for which the metric has to be there */
	bool own;          /* of the set, else of its overlay */
	bool paced; /* a forecast or the unusual is among its conditions: it looks at so many rows a second (pace.h) */
};

/* What a rule that learns plainly asks of most rows: its window is its own. */
struct plan_plain {
	enum metric_id metric;
	enum phase phase;
	uint16_t rule, window;
	size_t number;              /* which of the metrics that are learned it is */
	double above, below;        /* the window's */
	size_t far_least, at_least; /* so many of the values beyond these, and so many values, or it is not violated */
};

struct plan {
	const struct ruleset *set;
	const struct plan_rule *rule;           /* (n_rules), those of the set first */
	const struct plan_condition *condition; /* (n_conditions) */
	struct plan_window *window;             /* (n_windows) */
	const struct plan_plain *plain;         /* (n_plain) the rules that learn plainly */
	const uint16_t *ordered;                /* (n_ordered) windows of other rules that learn */
	size_t n_rules, n_conditions, n_windows, n_plain, n_ordered;
	size_t n_learning; /* rules that learn, but not plainly */
	bool skips;        /* all rules that learn do so plainly, and look at no row while too few are far */
	struct limits_now
		far[METRIC_COUNT]; /* multiples of what is normal beyond none of these are far for no such rule */
	size_t n_ahead, n_unusual, n_beyond, n_limits, n_collapses;
	size_t doubles;   /* of all windows */
	uint32_t look_ns; /* one look of each paced rule, about */
};

/* In the set's arena; NULL: no memory, which the arena also says. */
const struct plan *plan_make(struct ruleset *set, enum rules_mode mode);

#endif
