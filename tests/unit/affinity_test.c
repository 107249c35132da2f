/* affinity_test.c - threads that compute together share the processors out, and what is kept apart meets nowhere. */
#include "base/affinity.h"
#include "test.h"

#include <stdlib.h>

static void *where(void *ctx)
{
	sched_getaffinity(0, sizeof(cpu_set_t), ctx);
	return NULL;
}

static void shares_are_apart_and_make_up_all(void **state)
{
	cpu_set_t before, own, all, both, after, of[CPU_SETSIZE];
	struct affinity a;
	pthread_t thread;
	unsigned n;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	n = (unsigned)CPU_COUNT(&before);
	if (n < 2) {
		print_message("SKIPPED: shares of processors: there is one\n");
		return;
	}
	for (unsigned threads = 2; threads <= n && threads <= 64; threads++) {
		affinity_split(&a, threads);
		where(&own);
		assert_true(CPU_COUNT(&own) >= (int)(n / threads));
		all = own;
		for (unsigned i = 1; i < threads; i++) {
			assert_int_equal(affinity_start(&a, i, &thread, where, &of[i]), 0);
			pthread_join(thread, NULL);
			CPU_AND(&both, &all, &of[i]);
			assert_int_equal(CPU_COUNT(&both), 0);
			CPU_OR(&all, &all, &of[i]);
		}
		assert_true(CPU_EQUAL(&all, &before));
		affinity_rejoin(&a);
		where(&after);
		assert_true(CPU_EQUAL(&after, &before));
	}
}

/* One thread, and more threads than processors, run wherever the caller may. */
static void what_cannot_be_kept_apart_is_not(void **state)
{
	cpu_set_t before, now;
	struct affinity a;
	pthread_t thread;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	for (unsigned threads = 0; threads < 2; threads++) {
		affinity_split(&a, threads ? (unsigned)CPU_COUNT(&before) + 1 : 1);
		where(&now);
		assert_true(CPU_EQUAL(&now, &before));
		assert_int_equal(affinity_start(&a, 1, &thread, where, &now), 0);
		pthread_join(thread, NULL);
		assert_true(CPU_EQUAL(&now, &before));
		affinity_rejoin(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_apart_and_make_up_all),
		cmocka_unit_test(what_cannot_be_kept_apart_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
