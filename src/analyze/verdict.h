/* verdict.h - the one word that stands above everything else. */
#ifndef RWKVMON_ANALYZE_VERDICT_H
#define RWKVMON_ANALYZE_VERDICT_H

#include "analyze/findings.h"

/* Critical: non-finite values, a critical alarm that fired live, or critical limits broken
 * by more than one step in a thousand. Attention: anything else that is not as it should
 * be. Healthy: nothing is. */
enum verdict verdict_of(const struct findings *f);

#endif
