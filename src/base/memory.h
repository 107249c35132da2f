/* memory.h - configures the allocator for threads, and measures how fast this machine's memory can be read. */
#ifndef RWKVMON_BASE_MEMORY_H
#define RWKVMON_BASE_MEMORY_H

/* From now on all threads share one allocation arena, so that memory freed by one thread can be used by another. */
void memory_share(void);

/* GB/s at which one thread per core reads a block far larger than the caches; the best of several passes. Takes about
 * a second and 512 MiB. NAN when memory runs out. */
double memory_bandwidth_gb_s(void);

#endif
