/* nvml.h - NVIDIA's management library, loaded at run time if it is installed. */
#ifndef RWKVMON_COLLECT_NVML_H
#define RWKVMON_COLLECT_NVML_H

#include "spec/gpu_values.h"

struct nvml;

/* Opens the GPUs that the strategy names ("cuda:1 fp16", "cuda:0 fp16 *10 -> cuda:1 fp16"), otherwise the first one, of
 * those that this process may use, as CUDA numbers them: CUDA is asked if this process has initialised it. Otherwise
 * CUDA_VISIBLE_DEVICES is followed, by number, by UUID or the start of one, and by MIG UUID, in the order of the PCI
 * bus, which is CUDA's own with CUDA_DEVICE_ORDER=PCI_BUS_ID or equal GPUs. NULL: no GPU. */
struct nvml *nvml_open(const char *strategy);
void nvml_close(struct nvml *n);

size_t nvml_devices(const struct nvml *n); /* how many; 0 of NULL */

/* One of them, named "cuda:N" as CUDA numbers it in this process; NAN: the driver does not say. */
void nvml_gpu(struct nvml *n, size_t i, struct gpu_sample *out);

/* Each returns false and leaves the number unchanged if the driver does not report it. For several GPUs, memory is the
 * sum, utilisation the mean, the clock that of the slowest; throttling counts if any GPU is throttled. */
bool nvml_memory(struct nvml *n, double *used_mb, double *total_mb);
/* Memory of this process on the GPU; false in a container that hides process ids, too. */
bool nvml_process_memory(struct nvml *n, double *used_mb);
bool nvml_utilization(struct nvml *n, double *pct);
bool nvml_clock(struct nvml *n, double *mhz); /* of the multiprocessors, now */
/* 100 while the driver slows the GPU down because of heat, or of power, otherwise 0: the mean of many samples is a
 * share of time. */
bool nvml_throttling(struct nvml *n, double *heat_pct, double *power_pct);
bool nvml_temperature(struct nvml *n, double *c);          /* of the hottest */
bool nvml_slowdown_temperature(struct nvml *n, double *c); /* at which heat makes the driver slow one of them down */
const char *nvml_name(const struct nvml *n);               /* "" unknown; of several, "A (cuda:0), B (cuda:1)" */

#endif
