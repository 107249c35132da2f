/* limits.h - the memory and processors that this process may use: the machine's, or less if a control group limits
 * them.
 *
 * `root` stands before /proc and /sys, "" outside of tests. Control groups of version 2 are
 * followed up to the root; of version 1 the limits that a container sees as its own. */
#ifndef RWKVMON_COLLECT_LIMITS_H
#define RWKVMON_COLLECT_LIMITS_H

struct machine_share {
	double cores;     /* may be a fraction */
	double memory_mb; /* NAN: unknown */
};

struct machine_share limits_find(const char *root);

#endif
