/* test.h - cmocka with its includes in the order it wants, and helpers every test shares. */
#ifndef RWKVMON_TESTS_TEST_H
#define RWKVMON_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Where data that is not part of the project lies: $RWKVMON_SHARED, default ../shared. */
static inline const char *shared_dir(void)
{
	const char *dir = getenv("RWKVMON_SHARED");

	return dir ? dir : SOURCE_DIR "/../shared";
}

/* Says loudly that something was not tested, and why. */
#define SKIP_LOUDLY(...)                                                                                               \
	do {                                                                                                           \
		fprintf(stderr, "SKIPPED: ");                                                                          \
		fprintf(stderr, __VA_ARGS__);                                                                          \
		fprintf(stderr, "\n");                                                                                 \
		skip();                                                                                                \
	} while (0)

#endif
