/* cgroup.c - walks the cgroup's path upwards and adds up throttled time. */
#include "collect/cgroup.h"

#include "collect/small_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where cpu.stat lies, and its line of time stopped. */
struct hierarchy {
	const char *mount, *key;
	double per_s;
};

static const struct hierarchy version_1 = { "/sys/fs/cgroup/cpu", "throttled_time ", 1e9 };
static const struct hierarchy version_2 = { "/sys/fs/cgroup", "throttled_usec ", 1e6 };

/* NAN: that group does not count. */
static double stopped_s(const struct hierarchy *h, const char *root, const char *group)
{
	char text[2048];
	const char *at;

	if (!small_file_read(text, sizeof text, "%s%s%s/cpu.stat", root, h->mount, group) ||
	    !(at = strstr(text, h->key)))
		return NAN;
	return strtod(at + strlen(h->key), NULL) / h->per_s;
}

/* The group and all above it. A container may see only its own group, at the top, under a name from outside. */
static double stopped_in_chain(const struct hierarchy *h, const char *root, char *group)
{
	double sum = NAN;

	for (;;) {
		double s = stopped_s(h, root, group);
		char *slash = strrchr(group, '/');

		if (!isnan(s))
			sum = (isnan(sum) ? 0 : sum) + s;
		if (!slash)
			return sum;
		*slash = 0;
	}
}

/* Is "cpu" one of the names between commas? */
static int names_cpu(const char *list, const char *end)
{
	while (list < end) {
		size_t n = strcspn(list, ",:");

		if (n == 3 && !strncmp(list, "cpu", 3))
			return 1;
		list += n + 1;
	}
	return 0;
}

/* Lines of /proc/self/cgroup: "NUMBER:CONTROLLERS:PATH"; version 2 has number 0 and no controllers. */
double cgroup_stopped_s(const char *root)
{
	char text[4096], *line, *rest = text;
	double s = NAN;

	if (!small_file_read(text, sizeof text, "%s/proc/self/cgroup", root))
		return NAN;
	while (isnan(s) && (line = strsep(&rest, "\n"))) {
		char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!group)
			continue;
		group++;
		if (!strcmp(group, "/"))
			*group = 0;
		if (names_cpu(controllers + 1, group - 1))
			s = stopped_in_chain(&version_1, root, group);
		else if (!strncmp(line, "0::", 3))
			s = stopped_in_chain(&version_2, root, group);
	}
	return s;
}
