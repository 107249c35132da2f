/* unjudged.h - the rules of a set that judged nothing in a log, each with the reason. */
#ifndef RWKVMON_ANALYZE_UNJUDGED_H
#define RWKVMON_ANALYZE_UNJUDGED_H

#include "analyze/findings.h"
#include "rules/rules.h"

/* have: the metrics that some record has, a bit each; suited: the rules that are for the vocabulary of some session
 * (rules_suited). Returns their number; names are the set's. */
size_t unjudged_rules(struct unjudged_rule out[RULES_MAX], const struct ruleset *set, uint64_t have, uint64_t suited);

#endif
