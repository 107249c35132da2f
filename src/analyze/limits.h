/* limits.h - the set of limits by which at least one step was judged.
 *
 * Limits differ by session when they are relative. A set holds FINDINGS_LIMITS_MAX; of
 * more, those that come first in order (by metric, alarm type, side, severity, value) are
 * kept.
 */
#ifndef RWKVMON_ANALYZE_LIMITS_H
#define RWKVMON_ANALYZE_LIMITS_H

#include "analyze/findings.h"
#include "rules/rules.h"

/* A zeroed struct is empty. */
struct limits {
	struct rule_limit of[FINDINGS_LIMITS_MAX]; /* (n), in order, each once */
	size_t n;
};

/* Those that are in force in a session now. */
void limits_add(struct limits *l, const struct rules *rules);
/* As findings, into the arena: those that judged something of a log that has these metrics (a bit each). */
struct limit_in_force *limits_list(const struct limits *l, uint64_t have, struct arena *arena, size_t *n);

#endif
