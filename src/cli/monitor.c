/* monitor.c - presets, then the environment, then the command line; the later one wins. */
#include "cli/monitor.h"

#include "cli/tell.h"

#include <string.h>

static int set(struct rwkvmon_config *cfg, const struct option_setting *s, char *why)
{
	return rwkvmon_config_set(cfg, setting_specs[s->id].name, s->value, why);
}

int monitor_configure(struct rwkvmon_config *cfg, const struct options *opts, char *why)
{
	int rc = 0;

	for (int i = 0; i < SETTING_COUNT && !rc; i++)
		if (setting_specs[i].preset)
			rc = rwkvmon_config_set(cfg, setting_specs[i].name, setting_specs[i].preset, why);
	for (size_t i = opts->n_given; i < opts->n_settings && !rc; i++)
		rc = set(cfg, &opts->setting[i], why);
	if (opts->quiet)
		cfg->alarms_to_stderr = 0;
	for (size_t i = 0; i < opts->n_given && !rc; i++)
		rc = set(cfg, &opts->setting[i], why);
	return rc;
}

int monitor_said(struct err *err, int rc, char *why)
{
	char *second_line = strchr(why, '\n');

	if (!rc)
		return 0;
	if (second_line)
		*second_line++ = 0;
	err_set(err, (enum err_code) - rc, "%s", why);
	return second_line ? err_hint(err, "%s", second_line) : rc;
}

int monitor_close(rwkvmon *mon, struct rwkvmon_totals *totals, struct err *err)
{
	int rc = monitor_said(err, rwkvmon_close(mon, totals), totals->trouble);

	if (totals->undelivered)
		tell_text(TEXT_TOLD, totals->undelivered_why);
	if (!rc && totals->undelivered_critical)
		rc = err_set(err, ERR_SYSTEM, "critical alarms that were lost for good: %llu",
			     (unsigned long long)totals->undelivered_critical);
	return rc;
}
