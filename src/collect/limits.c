/* limits.c - memory and processors as limited by cgroup version 1 or 2, otherwise those of the machine. */
#include "collect/limits.h"

#include "base/cpu.h"
#include "collect/small_file.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double MIB = 1 << 20;

/* Version 1 writes the largest number of whole pages for "no limit": more than any machine has, 2^40 MiB. */
static const double NO_LIMIT_MB = 1099511627776;

static void lower(double *limit, double to)
{
	if (to > 0 && to < NO_LIMIT_MB && (isnan(*limit) || to < *limit))
		*limit = to;
}

/* cpu.max: "QUOTA PERIOD" in microseconds, or "max PERIOD". */
static double quota_cores(const char *text)
{
	char *end;
	double quota = strtod(text, &end), period = strtod(end, NULL);

	return end > text && period > 0 ? quota / period : NAN;
}

static void apply_group(struct machine_share *l, const char *root, const char *group)
{
	char text[128];

	if (small_file_read(text, sizeof text, "%s/sys/fs/cgroup%s/cpu.max", root, group))
		lower(&l->cores, quota_cores(text));
	lower(&l->memory_mb, small_file_number("%s/sys/fs/cgroup%s/memory.max", root, group) / MIB);
}

/* Limits of version 1 stand in files of their own, in a hierarchy per controller. */
static void apply_cpu(struct machine_share *l, const char *root, const char *group)
{
	double quota = small_file_number("%s/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", root, group);

	lower(&l->cores, quota / small_file_number("%s/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", root, group));
}

static void apply_memory(struct machine_share *l, const char *root, const char *group)
{
	lower(&l->memory_mb, small_file_number("%s/sys/fs/cgroup/memory%s/memory.limit_in_bytes", root, group) / MIB);
}

/* Is `name` one of the names between commas? */
static bool names(const char *list, const char *end, const char *name)
{
	while (list < end) {
		size_t n = strcspn(list, ",:");

		if (n == strlen(name) && !strncmp(list, name, n))
			return true;
		list += n + 1;
	}
	return false;
}

/* The group of that controller: "4:cpu,cpuacct:/a/b" of /proc/self/cgroup; "" when there is none. */
static void group_of(char *out, size_t bytes, const char *root, const char *controller)
{
	char text[4096];

	*out = 0;
	if (!small_file_read(text, sizeof text, "%s/proc/self/cgroup", root))
		return;
	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		const char *list = strchr(line, ':'), *group = list ? strchr(list + 1, ':') : NULL;

		if (group && names(list + 1, group, controller))
			snprintf(out, bytes, "%.*s", (int)strcspn(group + 1, "\n"), group + 1);
	}
}

/* The group's own limits and those of every group above it; a container may see its own group at the top alone. */
static void apply_version_1(struct machine_share *l, const char *root, const char *controller,
			    void (*apply)(struct machine_share *, const char *, const char *))
{
	char group[1024], *slash;

	group_of(group, sizeof group, root, controller);
	while (strcmp(group, "/") && (slash = strrchr(group, '/'))) {
		apply(l, root, group);
		*slash = 0;
	}
	apply(l, root, "");
}

/* The group's own limits and those of every group above it. */
static void apply_version_2(struct machine_share *l, const char *root)
{
	char text[2048], *group, *slash;

	if (!small_file_read(text, sizeof text, "%s/proc/self/cgroup", root) || !(group = strstr(text, "0::")))
		return;
	group += 3;
	group[strcspn(group, "\n")] = 0;
	for (;;) {
		apply_group(l, root, strcmp(group, "/") ? group : "");
		slash = strrchr(group, '/');
		if (!slash || !*group)
			break;
		*slash = 0;
	}
}

static double machine_memory_mb(const char *root)
{
	char text[512], *at;

	if (!small_file_read(text, sizeof text, "%s/proc/meminfo", root) || !(at = strstr(text, "MemTotal:")))
		return NAN;
	return strtod(at + strlen("MemTotal:"), NULL) / 1024;
}

struct machine_share limits_find(const char *root)
{
	struct machine_share l = { .cores = cpu_count(), .memory_mb = machine_memory_mb(root) };

	apply_version_2(&l, root);
	apply_version_1(&l, root, "cpu", apply_cpu);
	apply_version_1(&l, root, "memory", apply_memory);
	return l;
}

int limits_threads(const char *root)
{
	return (int)fmax(ceil(limits_find(root).cores), 1);
}
