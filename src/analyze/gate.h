/* gate.h - findings held against what the user calls bad. */
#ifndef RWKVMON_ANALYZE_GATE_H
#define RWKVMON_ANALYZE_GATE_H

#include "analyze/findings.h"
#include "base/err.h"
#include "spec/condition.h"

/* Refuses, before anything is read, what can only be asked of two logs: a change in percent. */
int gate_check(const struct conditions *conditions, struct err *err);

/* 0: nothing is bad; -ERR_VERDICT, and *err says what is bad and by how much; another error when one of them cannot be
 * answered: a gate that lets through what it has not seen is none. */
int gate_judge(const struct conditions *conditions, const struct findings *f, struct err *err);

/* The number that a condition is about; NAN when the log has no such metric. Of an alarm type: steps that break a
 * limit and alarms raised live. */
double gate_value(const struct condition *c, const struct findings *f);

/* Adds a condition that is bad to an error that says so. *err is empty at first. Returns -ERR_VERDICT. */
int gate_add(struct err *err, const struct condition *c, double value, const char *unit);

/* One statistic of a summary; NAN unknown. */
double summary_statistic(const struct summary *s, enum statistic statistic);

#endif
