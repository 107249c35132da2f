/* scratch.h - a directory of a test's own, gone when the test is.
 *
 * In memory where that is possible: thousands of real syncs would only take time. */
#ifndef RWKVMON_TESTS_SCRATCH_H
#define RWKVMON_TESTS_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Puts its path into dir (n bytes); 0, or -1 when it cannot be made. */
static inline int scratch_make(char *dir, size_t n, const char *name)
{
	snprintf(dir, n, "%s/rwkvmon-%s-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", name);
	return mkdtemp(dir) ? 0 : -1;
}

static inline int scratch_remove(const char *dir)
{
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

#endif
