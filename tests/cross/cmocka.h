/* cmocka.h - the few words of cmocka that the kernel tests say, for targets that have no cmocka.
 * A failed assertion names itself and ends the program. */
#ifndef RWKVMON_TESTS_CROSS_CMOCKA_H
#define RWKVMON_TESTS_CROSS_CMOCKA_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*run)(void **state);
};

#define cmocka_unit_test(f)                                                                                            \
	{                                                                                                              \
#f, f                                                                                                  \
	}

#define fail_msg(...)                                                                                                  \
	do {                                                                                                           \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                                        \
		fprintf(stderr, __VA_ARGS__);                                                                          \
		fprintf(stderr, "\n");                                                                                 \
		exit(1);                                                                                               \
	} while (0)

#define assert_true(x)                                                                                                 \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			fail_msg("%s", #x);                                                                            \
	} while (0)
#define assert_false(x) assert_true(!(x))
#define assert_int_equal(a, b) assert_true((long long)(a) == (long long)(b))
#define assert_ptr_equal(a, b) assert_true((a) == (b))
#define assert_string_equal(a, b) assert_true(!strcmp(a, b))
#define assert_memory_equal(a, b, n) assert_true(!memcmp(a, b, n))
#define assert_float_equal(a, b, eps) assert_true(fabs((double)(a) - (double)(b)) <= (double)(eps))

#define cmocka_run_group_tests(tests, setup, teardown) run_all(tests, sizeof(tests) / sizeof *(tests))

static inline int run_all(const struct CMUnitTest *tests, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		tests[i].run(NULL);
		printf("ok %s\n", tests[i].name);
	}
	return 0;
}

#endif
