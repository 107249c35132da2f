/* resources.h - what process, machine and GPU are using, sampled on a thread of its own.
 *
 * The first sample comes after a quarter of a second, later ones every 5 s; the GPU's memory
 * also every 100 tokens (at most four times a second). Unknown stays
 * unknown: NaN, never 0. What slows a machine down (clock, heat, quota, waiting) goes into the first
 * call's record after each sample, everything else into every record. GPU numbers come from NVML when its library
 * can be loaded, else from the kernel; session_start names the source. Shares of CPU are of
 * what a control group leaves to this process.
 *
 * Threads  resources_fill may be called from any one thread; it takes no lock.
 */
#ifndef RWKVMON_COLLECT_RESOURCES_H
#define RWKVMON_COLLECT_RESOURCES_H

#include "base/clock.h"
#include "record/record.h"

struct resources;

struct resources *resources_open(void); /* NULL: no memory or no thread; go on without */
void resources_close(struct resources *r);

/* [hot] Puts the latest samples into the record of a call with so many tokens; a NULL r has none. */
void resources_fill(struct resources *r, size_t tokens, struct record *out);

/* Sets host.* and vram_total_mb of session_start; texts live as long as r. */
void resources_describe(const struct resources *r, struct field_values *session);

/* --- for tests --- */

enum resources_due { RESOURCES_NONE, RESOURCES_VRAM, RESOURCES_ALL };

/* What a look at this time takes, so long after the last sample of everything and so many tokens
 * after the last one of the GPU's memory. */
enum resources_due resources_due(uint64_t since_all_ns, uint64_t tokens_since_vram);

#endif
