/* cgroup.h - how long control groups stopped this process because of their CPU quota.
 *
 * `root` is put before /proc and /sys; it is "" outside tests. */
#ifndef RWKVMON_COLLECT_CGROUP_H
#define RWKVMON_COLLECT_CGROUP_H

/* Seconds, ever, that a CPU quota of its group or of one above kept it from running, summed over processors and groups;
 * NAN where no group counts. Version 2, or version 1 with the controller below /sys/fs/cgroup/cpu. */
double cgroup_stopped_s(const char *root);

#endif
