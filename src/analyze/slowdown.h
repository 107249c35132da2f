/* slowdown.h - did one instance become slower, those that share something, or all at the same time? */
#ifndef RWKVMON_ANALYZE_SLOWDOWN_H
#define RWKVMON_ANALYZE_SLOWDOWN_H

#include "analyze/findings.h"

/* Fills f->slowdown once its instances are judged; false when memory is out. */
bool slowdown_tell(struct findings *f);

#endif
