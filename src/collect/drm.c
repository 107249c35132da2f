/* drm.c - fdinfo and sysfs of the kernel's graphics drivers. */
#include "collect/drm.h"

#include "collect/small_file.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64, CARDS_MAX = 16 };
static const double MIB = 1 << 20;

/* The value of "key:" in a list of lines, its unit taken into account; NAN: not there. */
static double bytes_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	char *unit;
	double value;

	if (!at || (at > text && at[-1] != '\n') || at[strlen(key)] != ':')
		return NAN;
	value = strtod(at + strlen(key) + 1, &unit);
	unit += strspn(unit, " \t");
	return value * (!strncmp(unit, "KiB", 3) ? 1024 : !strncmp(unit, "MiB", 3) ? MIB : 1);
}

/* A second file of the same client describes memory that was already counted. */
static bool is_known(double clients[CLIENTS_MAX], size_t *n, double client)
{
	for (size_t i = 0; i < *n; i++)
		if (fabs(clients[i] - client) < 0.5)
			return true;
	if (*n < CLIENTS_MAX)
		clients[(*n)++] = client;
	return false;
}

static double vram_bytes(const char *text)
{
	static const char *const keys[] = { "drm-resident-vram0", "drm-resident-vram", "drm-total-vram0",
					    "drm-memory-vram" };
	double bytes = NAN;

	for (size_t i = 0; i < sizeof keys / sizeof *keys && isnan(bytes); i++)
		bytes = bytes_of(text, keys[i]);
	return bytes;
}

bool drm_is_there(const char *root)
{
	static const char *const places[] = { "/sys/class/drm", "/dev/dri" };
	char path[300];

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(path, sizeof path, "%s%s", root, places[i]);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

double drm_process_vram_mb(const char *root)
{
	double clients[CLIENTS_MAX], sum = NAN;
	const struct dirent *entry;
	char path[300], text[4096];
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof path, "%s/proc/self/fdinfo", root);
	d = opendir(path);
	while (d && (entry = readdir(d))) {
		double bytes;

		if (*entry->d_name == '.' || !small_file_read(text, sizeof text, "%s/%s", path, entry->d_name) ||
		    !strstr(text, "drm-driver:") || isnan(bytes = vram_bytes(text)))
			continue;
		if (!is_known(clients, &n, bytes_of(text, "drm-client-id")))
			sum = (isnan(sum) ? 0 : sum) + bytes / MIB;
	}
	if (d)
		closedir(d);
	return sum;
}

struct drm_card drm_card_find(const char *root)
{
	for (int i = 0; i < CARDS_MAX; i++) {
		double used = small_file_number("%s/sys/class/drm/card%d/device/mem_info_vram_used", root, i);

		if (!isnan(used))
			return (struct drm_card){
				used / MIB,
				small_file_number("%s/sys/class/drm/card%d/device/mem_info_vram_total", root, i) / MIB,
				small_file_number("%s/sys/class/drm/card%d/device/gpu_busy_percent", root, i)
			};
	}
	return (struct drm_card){ NAN, NAN, NAN };
}
