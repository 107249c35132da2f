/* devices.h - what one part of a log says of each of several GPUs over time.
 *
 * Samples are summed in buckets of equal time, aligned to their width, which doubles when there would be more than
 * DEVICE_BUCKETS_MAX: what is kept depends on the samples alone, not on how they were split.
 *
 * Ownership  a zeroed struct is empty; devices_free releases. devices_finish copies into the caller's arena.
 * Cost       a few lines of a log in 5 s; memory only for GPUs that a log names.
 */
#ifndef RWKVMON_ANALYZE_DEVICES_H
#define RWKVMON_ANALYZE_DEVICES_H

#include "base/arena.h"
#include "record/record.h"

enum { DEVICE_BUCKETS_MAX = 256 };

struct device_bucket {
	int64_t index; /* it holds times from index * width on */
	double sum[GPU_VALUE_COUNT];
	uint32_t seen[GPU_VALUE_COUNT];
};

struct device {
	char name[GPU_DEVICE_BYTES];
	bool gpu_used;                /* its use was above 0: from then on 0 is a measurement */
	struct device_bucket *bucket; /* (n), by time */
	size_t n, cap;
	double min[GPU_VALUE_COUNT], max[GPU_VALUE_COUNT], sum[GPU_VALUE_COUNT];
	uint64_t seen[GPU_VALUE_COUNT];
};

struct devices {
	struct device *device; /* (n), in the order of their first sample; at most GPUS_MAX */
	size_t n;
	int64_t width_us; /* 0: no sample yet */
	bool failed;
};

/* The GPUs of one step. A clock counts only while its GPU is busy for at least idle_pct of the time, or its use is
 * unknown. */
void devices_add(struct devices *d, const struct record *rec, double idle_pct);
void devices_free(struct devices *d);

/* Adds the samples of others. False: no memory. */
bool devices_join(struct devices *into, const struct devices *from, struct arena *arena);

/* False: no memory. */
bool devices_finish(struct devices *out, const struct devices *from, struct arena *arena);

static inline int64_t device_bucket_us(const struct devices *d, const struct device_bucket *b)
{
	return b->index * d->width_us + d->width_us / 2;
}

/* The mean over all samples; NAN: unknown. */
double device_mean(const struct device *d, enum gpu_value v);

/* The share of its memory in use that is exceeded in a tenth of the buckets; NAN: unknown. */
double device_fullness(const struct device *d);

#endif
