/* environment.h - settings of adapters, which the watched program does not know: RWKVMON_* in the environment. Includes
 * rwkvmon.h alone.
 *
 *     RWKVMON_LOG, RWKVMON_RULES, RWKVMON_ALARM_TO, RWKVMON_LISTEN, …: a variable for every setting (docs/SETTINGS.md)
 *
 * An empty value is as good as none. */
#ifndef RWKVMON_ADAPTERS_ENVIRONMENT_H
#define RWKVMON_ADAPTERS_ENVIRONMENT_H

#include <rwkvmon.h>

/* Opens with what the adapter knows of the model, and over it what the environment says; prints the address of /metrics
 * on standard error. NULL, and a line there, when it cannot be done: the program must go on all the same. */
rwkvmon *environment_open(struct rwkvmon_config *cfg);

/* Says on standard error that so many conversations were ended early; none: nothing. */
void environment_ended_early(uint64_t n);

/* Closes; a log that lost something, or a receiver that missed an alarm, says so on standard error. */
void environment_close(rwkvmon *mon);

/* The name of a model file without its folder and ending, into out. */
void environment_model_name(char *out, size_t bytes, const char *path);

#endif
