/* limits.h - the memory and processors that this process may use: the machine's, or less if a control group or, of
 * processors, an affinity limits them.
 *
 * `root` stands before /proc and /sys, "" outside of tests. Control groups of both versions are followed up to their
 * hierarchy's root: the tightest limit counts. A container may see its own group as that root. */
#ifndef RWKVMON_COLLECT_LIMITS_H
#define RWKVMON_COLLECT_LIMITS_H

struct machine_share {
	double cores;     /* may be a fraction */
	double memory_mb; /* NAN: unknown */
};

struct machine_share limits_find(const char *root);

/* Threads that can run at a time: the cores rounded up, at least 1. More would only stop each other. */
int limits_threads(const char *root);

#endif
