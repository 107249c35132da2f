/* describe.h - describes a rule in words: "median of 10 token_latency_ms > 50 ms". */
#ifndef RWKVMON_RULES_DESCRIBE_H
#define RWKVMON_RULES_DESCRIBE_H

#include "base/buf.h"
#include "rules/ruleset.h"

/* Appends what violates the rule; conditions are joined by "and". */
void rule_describe(struct buf *out, const struct rule *rule, enum lang lang);

/* "30 s", "250 ms", "5 min". */
void rule_describe_duration(struct buf *out, int64_t us);

#endif
