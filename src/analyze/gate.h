/* gate.h - judges findings by the conditions of --fail-on. */
#ifndef RWKVMON_ANALYZE_GATE_H
#define RWKVMON_ANALYZE_GATE_H

#include "analyze/findings.h"
#include "base/err.h"
#include "spec/condition.h"

/* Refuses conditions that need two logs (a change in percent), before anything is read. */
int gate_check(const struct conditions *conditions, struct err *err);

/* 0: no condition holds; -ERR_VERDICT: *err says which hold and by how much; another error if one of them cannot be
 * judged, because a gate must not pass what was not measured. */
int gate_judge(const struct conditions *conditions, const struct findings *f, struct err *err);

/* Adds a condition that is bad to an error that says so. *err is empty at first. Returns -ERR_VERDICT. */
int gate_add(struct err *err, const struct condition *c, double value, const char *unit);

#endif
