/* gpu_values.c - the rows of gpu_values.def, and the devices in strategies. */
#include "spec/gpu_values.h"

#include <math.h>
#include <string.h>

/* No GPU has more in use than that many times its memory: such a figure is damaged. */
static const double SHARE_MOST = 1e6;

const struct gpu_value_spec gpu_value_specs[GPU_VALUE_COUNT] = {
#define GPU_VALUE(name, key_, decimals_, unit_, help_)                                                                 \
	[GPU_##name] = { .key = key_, .decimals = decimals_, .unit = unit_, .help = help_ },
#include "spec/gpu_values.def"
};

bool gpu_sample_begin(struct gpu_sample *out, struct slice device)
{
	*out = (struct gpu_sample){ .device = "" };
	for (int v = 0; v < GPU_VALUE_COUNT; v++)
		out->value[v] = (double)NAN;
	if (!device.n || device.n >= GPU_DEVICE_BYTES)
		return false;
	memcpy(out->device, device.p, device.n);
	return true;
}

/* The number behind "cuda:", at most 9999; 0 without one. *at moves behind it. */
static unsigned ordinal_at(struct slice text, size_t *at)
{
	unsigned ordinal = 0;

	if (*at == text.n || text.p[*at] != ':')
		return 0;
	for (++*at; *at < text.n && text.p[*at] >= '0' && text.p[*at] <= '9' && ordinal < 1000; ++*at)
		ordinal = ordinal * 10 + (unsigned)(text.p[*at] - '0');
	return ordinal;
}

size_t strategy_gpus(struct slice strategy, unsigned out[GPUS_MAX])
{
	static const char cuda[] = "cuda";
	const size_t length = sizeof cuda - 1;
	size_t n = 0, at = 0;

	while (at + length <= strategy.n) {
		unsigned ordinal;
		bool known = false;

		if (memcmp(strategy.p + at, cuda, length) != 0) {
			at++;
			continue;
		}
		at += length;
		ordinal = ordinal_at(strategy, &at);
		for (size_t i = 0; i < n; i++)
			known |= out[i] == ordinal;
		if (!known && n < GPUS_MAX)
			out[n++] = ordinal;
	}
	return n;
}

bool gpu_ordinal(const char *device, unsigned *out)
{
	static const char prefix[] = "cuda:";
	struct slice text = slice_of(device);
	size_t at = sizeof prefix - 2; /* the colon */

	if (text.n < sizeof prefix || memcmp(device, prefix, sizeof prefix - 1) != 0)
		return false;
	*out = ordinal_at(text, &at);
	return at == text.n;
}

bool strategy_uses(struct slice strategy, const char *device)
{
	unsigned named[GPUS_MAX], ordinal;
	size_t n = strategy_gpus(strategy, named);

	if (!n || !gpu_ordinal(device, &ordinal))
		return true;
	for (size_t i = 0; i < n; i++)
		if (named[i] == ordinal)
			return true;
	return false;
}

size_t gpus_fullest(const struct gpu_sample *gpu, size_t n, struct slice strategy, double *pct)
{
	size_t fullest = n;

	for (size_t i = 0; i < n; i++) {
		double share = 100 * gpu[i].value[GPU_USED_MB] / gpu[i].value[GPU_TOTAL_MB];

		if (!(share >= 0 && share < SHARE_MOST) || !strategy_uses(strategy, gpu[i].device))
			continue;
		if (fullest == n || share > *pct) {
			fullest = i;
			*pct = share;
		}
	}
	return fullest;
}
