/* conditions.h - the kinds of conditions, each a row of a table: what passes over rows, what judges one. */
#ifndef RWKVMON_RULES_CONDITIONS_H
#define RWKVMON_RULES_CONDITIONS_H

#include "rules/judge.h"

/* A condition of a rule, before rows. */
struct sight {
	struct judging *s;
	const struct judged_rows *rows;
	struct paced_rows due; /* what rules that are paced look at */
	const struct plan_rule *rule;
	struct judged *j;
	const struct plan_condition *c;
	const struct limits_now *limits;
	double v[WINDOW_MAX + 1]; /* the line of one row that has no room */
	uint16_t before[2];
};

/* The result of a condition for one row. */
struct verdict {
	bool ready, violated, clear;
	double value, limit;
};

/* What a kind of condition does. Windows are fed by the session (windows.h); what is kept beside them is by `next`,
 * `feed` and `look`, each row once. */
struct condition_way {
	/* For a rule that is quiet: takes in rows from `from` on at which the condition is surely not violated, and
	 * returns the first other one. */
	size_t (*next)(struct sight *s, size_t from, size_t to);
	/* Takes in rows that another condition has ruled out. NULL: nothing is kept. */
	void (*feed)(struct sight *s, size_t from, size_t to);
	/* Takes in a row, and judges it. */
	struct verdict (*look)(struct sight *s, size_t row, bool in_time);
};

extern const struct condition_way condition_ways[]; /* by enum condition_kind */

/* Turns to the rule's condition of that number. */
void sight_face(struct sight *s, size_t condition);

/* What the condition judges of the row, if it is no aggregate: the metric, or what stands for a missing one. NAN:
 * nothing. */
double sight_value(const struct sight *s, size_t row);

/* What the condition's metric is compared with if that is learned; NULL: nothing. */
struct level *sight_level(const struct sight *s);

#endif
