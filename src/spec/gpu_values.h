/* gpu_values.h - one sample of one of several GPUs, and which GPUs a strategy names. */
#ifndef RWKVMON_SPEC_GPU_VALUES_H
#define RWKVMON_SPEC_GPU_VALUES_H

#include "base/slice.h"

#include <stdbool.h>

enum { GPUS_MAX = 16, GPU_DEVICE_BYTES = 16 };

enum gpu_value {
#define GPU_VALUE(name, ...) GPU_##name,
#include "spec/gpu_values.def"
	GPU_VALUE_COUNT
};

struct gpu_value_spec {
	const char *key;
	int decimals;
	const char *unit, *help;
};

extern const struct gpu_value_spec gpu_value_specs[GPU_VALUE_COUNT];

struct gpu_sample {
	char device[GPU_DEVICE_BYTES]; /* "cuda:1"; ends with 0 */
	double value[GPU_VALUE_COUNT]; /* NAN: unknown */
};

/* All unknown; false: the name is empty or too long. */
bool gpu_sample_begin(struct gpu_sample *out, struct slice device);

/* The GPUs that a strategy names by "cuda" or "cuda:N", each once, in its order; returns how many. A "cuda" without a
 * number is number 0. */
size_t strategy_gpus(struct slice strategy, unsigned out[GPUS_MAX]);

/* Does the strategy use that device? One that names none of this kind uses all. */
bool strategy_uses(struct slice strategy, const char *device);

/* The number of "cuda:N"; false: the device has another name. */
bool gpu_ordinal(const char *device, unsigned *out);

/* The fullest of the n GPUs that the strategy uses; n: of none both figures of its memory are known. *pct: the share
 * of its memory that is in use. */
size_t gpus_fullest(const struct gpu_sample *gpu, size_t n, struct slice strategy, double *pct);

#endif
