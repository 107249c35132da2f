/* nvml.h - NVIDIA's management library, loaded at run time when it is there. */
#ifndef RWKVMON_COLLECT_NVML_H
#define RWKVMON_COLLECT_NVML_H

#include <stdbool.h>

struct nvml;

/* The first GPU this process may use (CUDA_VISIBLE_DEVICES is followed); NULL: no GPU. */
struct nvml *nvml_open(void);
void nvml_close(struct nvml *n);

/* Each false, and the number untouched, when the driver does not say. */
bool nvml_memory(struct nvml *n, double *used_mb, double *total_mb);
/* Memory of this process on the GPU; false in a container that hides process ids, too. */
bool nvml_process_memory(struct nvml *n, double *used_mb);
bool nvml_utilization(struct nvml *n, double *pct);
bool nvml_clock(struct nvml *n, double *mhz); /* of the multiprocessors, now */
/* 100 while the driver slows the GPU down because of heat, or of power, and 0 else: the mean of many is a share of time. */
bool nvml_throttling(struct nvml *n, double *heat_pct, double *power_pct);
const char *nvml_name(const struct nvml *n); /* "" unknown */

#endif
