/* able.h - could a rule judge any of these steps? What was not judged cannot pass. */
#ifndef RWKVMON_RULES_ABLE_H
#define RWKVMON_RULES_ABLE_H

#include "rules/judge.h"

/* Of the types in `ask`, those of which an applying rule could judge one of the rows, a bit each: it was of the rule's
 * phase, after its warm-up and its first tokens, it had the rule's values, windows were full, and limits and what is
 * normal were known. The rows have been judged, and are the last that went into the windows. */
uint64_t able_types(const struct judging *s, const struct judged_rows *rows, uint64_t ask);

#endif
