/* environment.h - how adapters that a program does not know of are told what to do: by RWKVMON_* in the
 * environment. Knows rwkvmon.h alone.
 *
 *     RWKVMON_LOG            where the log goes, as rwkvmon_config.log_path; "none": no log. Default: a new file here
 *     RWKVMON_RULES          thresholds (default), baseline, or a rule file
 *     RWKVMON_SESSION        session id
 *     RWKVMON_LANG           en, zh: language of alarm texts
 *     RWKVMON_LOG_TOKENS     1: token ids go into the log
 *     RWKVMON_QUIET          1: no alarms on standard error
 *     RWKVMON_ALARM_FILE, RWKVMON_WEBHOOK, RWKVMON_ALERTMANAGER      further receivers of alarms
 *     RWKVMON_BUDGET_PCT     what watching may cost (default 1 % of the forward calls)
 *
 * An empty value is as good as none. */
#ifndef RWKVMON_ADAPTERS_ENVIRONMENT_H
#define RWKVMON_ADAPTERS_ENVIRONMENT_H

#include <rwkvmon.h>

/* Fills what the environment says; texts belong to the environment. */
void environment_config(struct rwkvmon_config *cfg);

/* Opens with that configuration. NULL, and a line on standard error, when it cannot be done:
 * the program must go on all the same. */
rwkvmon *environment_open(const struct rwkvmon_config *cfg);

/* Closes; a log that lost something says so on standard error. */
void environment_close(rwkvmon *mon);

/* The name of a model file without its folder and ending, into out. */
void environment_model_name(char *out, size_t bytes, const char *path);

#endif
