#include "collect/limits.h"

#include "base/cpu.h"
#include "collect/small_file.h"

#include <math.h>
#include <string.h>

static const double MIB = 1 << 20;

static void lower(double *limit, double to)
{
	if (to > 0 && (isnan(*limit) || to < *limit))
		*limit = to;
}

/* cpu.max: "QUOTA PERIOD" in microseconds, or "max PERIOD". */
static double quota_cores(const char *text)
{
	char *end;
	double quota = strtod(text, &end), period = strtod(end, NULL);

	return end > text && period > 0 ? quota / period : NAN;
}

static void apply_group(struct limits *l, const char *root, const char *group)
{
	char text[128];

	if (small_file_read(text, sizeof text, "%s/sys/fs/cgroup%s/cpu.max", root, group))
		lower(&l->cores, quota_cores(text));
	lower(&l->memory_mb, small_file_number("%s/sys/fs/cgroup%s/memory.max", root, group) / MIB);
}

static void apply_version_1(struct limits *l, const char *root)
{
	double quota = small_file_number("%s/sys/fs/cgroup/cpu/cpu.cfs_quota_us", root);

	lower(&l->cores, quota / small_file_number("%s/sys/fs/cgroup/cpu/cpu.cfs_period_us", root));
	lower(&l->memory_mb, small_file_number("%s/sys/fs/cgroup/memory/memory.limit_in_bytes", root) / MIB);
}

/* The group's own limits and those of every group above it. */
static void apply_version_2(struct limits *l, const char *root)
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

struct limits limits_find(const char *root)
{
	struct limits l = { .cores = cpu_count(), .memory_mb = machine_memory_mb(root) };

	apply_version_2(&l, root);
	apply_version_1(&l, root);
	return l;
}
