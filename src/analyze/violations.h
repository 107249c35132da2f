/* violations.h - what the rules say of steps: counted by type, and made events of.
 *
 * Events begin in the order of the log, because there may be too many of them to keep.
 */
#ifndef RWKVMON_ANALYZE_VIOLATIONS_H
#define RWKVMON_ANALYZE_VIOLATIONS_H

#include "analyze/analysis.h"

/* The session's rules, made when it has none; NULL: there are none, or memory is out. */
struct rules *violations_rules(struct analysis *a, struct session *s);

/* One step of the session: a row. */
void violations_judge_row(struct analysis *a, struct session *s, const struct columns *c, size_t row);

/* [hot] All steps of a part, of which each session has rules that can be asked in steps. */
void violations_judge_part(struct analysis *a, struct batch *b, const struct batch_part *part);

#endif
