/* loop_risk.h - do the sampler's settings lead almost every text into a loop? They do where nearly always the most
 * likely token is taken, and nothing that was said is penalised; entropy and surprisal tell much less beforehand. */
#ifndef RWKVMON_ANALYZE_LOOP_RISK_H
#define RWKVMON_ANALYZE_LOOP_RISK_H

#include "spec/fields.h"

/* What makes it high; low where the log does not say how tokens are chosen. */
enum loop_risk { LOOP_RISK_LOW, LOOP_RISK_TEMPERATURE, LOOP_RISK_TOP_K };

/* about: a session_start. */
enum loop_risk loop_risk_of(const struct field_values *about);

#endif
