/* judge.h - one rule over the records of one session: windows, verdicts, the alarm's way on and off. */
#ifndef RWKVMON_RULES_JUDGE_H
#define RWKVMON_RULES_JUDGE_H

#include "record/columns.h"
#include "rules/ruleset.h"
#include "stats/window.h"

/* One condition in one session. */
struct observed {
	const struct condition *is;
	struct window values; /* of the aggregate */
	struct window recent; /* for `sudden`; cap 0 when not asked for */
	double above, below;  /* the limits, as they are now; NAN: none (yet), or relative to another metric */
	int64_t most, least;  /* decimals of the metric that are within them */
};

/* One rule in one session. */
struct judged {
	const struct rule *rule;
	uint64_t warmup;
	struct observed when[CONDITIONS_MAX]; /* (rule->n_when) */
	bool applies;			      /* its set's overlay, or the set itself, judges this type in this session */

	/* The alarm. */
	int64_t violated_since_us; /* INT64_MIN: not violated */
	int64_t fired_us;	   /* INT64_MIN: never */
	bool firing;
	uint32_t bad_sequence; /* where a collapse began, and its last token so far; bad_to 0: never */
	uint64_t bad_from, bad_to;
};

/* Judges the n-th record of the session (from 1). False: nothing to tell. */
bool judge(struct judged *j, uint64_t n, const struct record *rec, struct rule_finding *f);

/* Judges every value for itself, and can do without windows. */
static inline bool judges_alone(const struct judged *j)
{
	return j->rule->n_when == 1 && j->when[0].values.cap == 1 && !j->when[0].recent.cap && !j->rule->phase &&
	       j->rule->alarm != ALARM_MODE_COLLAPSE;
}

/* The limits are these from now on. */
void judge_settle(struct observed *o, double above, double below);

/* [hot] The same for such rules, without windows and without the alarm's own state: true when violated. */
bool judge_alone(const struct judged *j, uint64_t n, const struct record *rec, struct rule_finding *f);

/* Some steps of the session that stand side by side. */
struct judged_rows {
	const struct columns *c;
	size_t from, n;
	struct held held;
	uint64_t before;   /* steps of the session before them */
};

/* [hot] judge_alone for many: sets `bit` in violated (rows->n) where it is true. Returns whether it is anywhere. */
bool judge_rows(const struct judged *j, const struct judged_rows *rows, uint64_t bit, uint64_t *violated);

/* [hot] Those of the rows at which violated (rows->n) has the bit; one at least. */
struct rule_sum judge_sum(const struct judged *j, const struct judged_rows *rows, uint64_t bit, const uint64_t *violated);

/* What judge_alone tells of a row at which it is true. */
void judge_tell_row(const struct judged *j, const struct columns *c, size_t row, struct rule_finding *f);

/* The alarm as it stands, without a value. */
void judge_tell(const struct judged *j, struct rule_finding *f);

#endif
