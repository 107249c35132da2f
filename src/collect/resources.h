/* resources.h - the resource use of process, machine and GPU, sampled on a thread of the pool, once for all handles
 * with the same strategy.
 *
 * The first sample comes after a quarter of a second, later ones every 5 s; the GPU's memory
 * also every 100 tokens (at most four times a second). Unknown values are NaN, never 0. What slows a machine down
 * (clock, heat, quota, waiting) and free disk go into the first call's record after each sample, everything else into
 * every record. GPU numbers come from NVML when its library can be loaded, else from the kernel; session_start names
 * the source. Shares of CPU are of
 * what a control group leaves to this process.
 *
 * Threads  resources_fill may be called from any one thread; it takes no lock.
 */
#ifndef RWKVMON_COLLECT_RESOURCES_H
#define RWKVMON_COLLECT_RESOURCES_H

#include "base/clock.h"
#include "record/record.h"

struct resources;

/* `strategy` names the GPUs (see nvml.h), `log_path` the file whose disk is watched; both may be NULL. */
struct resources *resources_open(const char *strategy,
				 const char *log_path); /* NULL: no memory or no thread; go on without */
void resources_close(struct resources *r);
void resources_forget(void); /* in a child of fork */

/* [writer] Samples the log's disk, every 5 s: a disk that hangs blocks only the log's own writer. */
void resources_look_at_disk(struct resources *r);

/* [hot] Puts the latest samples into the record of a call with so many tokens; a NULL r has none. */
void resources_fill(struct resources *r, size_t tokens, struct record *out);

/* [hot] Of several GPUs each, for the first call after a sample: for the record that resources_fill comes next for.
 * Returns how many; 0: nothing. */
size_t resources_gpus(const struct resources *r, struct gpu_sample out[GPUS_MAX]);

/* How the process fared since r was opened, in percent; NAN unknown. */
struct resources_whole {
	double waiting_pct, stopped_pct; /* as cpu_waiting_pct and cpu_quota_stopped_pct */
};
struct resources_whole resources_whole(const struct resources *r);

/* Sets host.* and vram_total_mb of session_start; texts live as long as r. */
void resources_describe(const struct resources *r, struct field_values *session);

/* --- for tests --- */

enum resources_due { RESOURCES_NONE, RESOURCES_VRAM, RESOURCES_ALL };

/* What a sample at this time takes: depends on the time since the last full sample and on the tokens since the last
 * sample of the GPU's memory. */
enum resources_due resources_due(uint64_t since_all_ns, uint64_t tokens_since_vram);

#endif
