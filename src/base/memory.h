/* memory.h - how fast this machine's memory can be read. */
#ifndef RWKVMON_BASE_MEMORY_H
#define RWKVMON_BASE_MEMORY_H

/* GB/s at which one thread per core reads a block far larger than the caches; the best of several passes. Takes about
 * a second and 512 MiB. NAN when memory is out. */
double memory_bandwidth_gb_s(void);

#endif
