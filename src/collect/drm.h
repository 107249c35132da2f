/* drm.h - GPU metrics from the kernel, for GPUs that NVML does not support.
 *
 * fdinfo: what this process's open DRM files say (every driver since Linux 5.19). amdgpu: what its driver reports about
 * the whole card. `root` stands before /proc and /sys, "" outside of tests. Unknown is NAN. */
#ifndef RWKVMON_COLLECT_DRM_H
#define RWKVMON_COLLECT_DRM_H

#include <stdbool.h>

/* Has the kernel such a driver at all? Where it has none, asking every file of the process and every card is in vain.
 */
bool drm_is_there(const char *root);

double drm_process_vram_mb(const char *root);

struct drm_card {
	double used_mb, total_mb, busy_pct;
};

struct drm_card drm_card_find(const char *root);

#endif
