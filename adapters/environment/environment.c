/* environment.c - RWKVMON_* variables into a configuration, and a handle opened with it. */
#include "environment.h"

#include <stdio.h>
#include <string.h>

rwkvmon *environment_open(struct rwkvmon_config *cfg)
{
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon = NULL;

	cfg->struct_size = sizeof *cfg;
	if (rwkvmon_config_environment(cfg, why) || rwkvmon_open(&mon, cfg, why))
		fprintf(stderr, "rwkvmon: not watching: %s\n", why);
	rwkvmon_config_free(cfg);
	if (*rwkvmon_url(mon))
		fprintf(stderr, "rwkvmon: %s/metrics\n", rwkvmon_url(mon));
	return mon;
}

void environment_ended_early(uint64_t n)
{
	if (n)
		fprintf(stderr, "rwkvmon: %llu conversations were ended early, because max-streams allows no more\n",
			(unsigned long long)n);
}

void environment_close(rwkvmon *mon)
{
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };

	if (mon && rwkvmon_close(mon, &totals))
		fprintf(stderr, "rwkvmon: %s\n", totals.trouble);
	if (totals.undelivered)
		fprintf(stderr, "rwkvmon: %s\n", totals.undelivered_why);
}

void environment_model_name(char *out, size_t bytes, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

	snprintf(out, bytes, "%.*s", (int)(dot && dot > name ? (size_t)(dot - name) : strlen(name)), name);
}
