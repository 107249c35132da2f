#include "environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int is_on(const char *name)
{
	const char *value = text_of(name);

	return value && strcmp(value, "0") != 0;
}

void environment_config(struct rwkvmon_config *cfg)
{
	const char *log = text_of("RWKVMON_LOG"), *budget = text_of("RWKVMON_BUDGET_PCT");

	cfg->struct_size = sizeof *cfg;
	cfg->log_path = !log ? "" : strcmp(log, "none") ? log : NULL;
	cfg->rules = text_of("RWKVMON_RULES");
	cfg->session_id = text_of("RWKVMON_SESSION");
	cfg->lang = text_of("RWKVMON_LANG");
	cfg->log_tokens = is_on("RWKVMON_LOG_TOKENS");
	cfg->alarms_to_stderr = !is_on("RWKVMON_QUIET");
	cfg->alarm_file = text_of("RWKVMON_ALARM_FILE");
	cfg->webhook_url = text_of("RWKVMON_WEBHOOK");
	cfg->alertmanager_url = text_of("RWKVMON_ALERTMANAGER");
	cfg->overhead_budget_pct = budget ? strtod(budget, NULL) : 0;
}

rwkvmon *environment_open(const struct rwkvmon_config *cfg)
{
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon;

	if (!rwkvmon_open(&mon, cfg, why))
		return mon;
	fprintf(stderr, "rwkvmon: not watching: %s\n", why);
	return NULL;
}

void environment_close(rwkvmon *mon)
{
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };

	if (mon && rwkvmon_close(mon, &totals))
		fprintf(stderr, "rwkvmon: %s\n", totals.trouble);
}

void environment_model_name(char *out, size_t bytes, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

	snprintf(out, bytes, "%.*s", (int)(dot && dot > name ? (size_t)(dot - name) : strlen(name)), name);
}
