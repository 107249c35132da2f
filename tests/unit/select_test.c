/* Selection against sorting. */
#include "test.h"

#include "stats/select.h"

#include <math.h>

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void select_finds_what_sorting_would(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (size_t n = 1; n <= 200; n++)
		for (unsigned kinds = 1; kinds <= 1000; kinds *= 10) { /* few kinds: many equal values */
			float *v = malloc(n * sizeof *v), *sorted = malloc(n * sizeof *sorted);

			for (size_t i = 0; i < n; i++)
				v[i] = sorted[i] = (float)((seed = seed * 1103515245u + 12345u) / 65536 % kinds);
			qsort(sorted, n, sizeof *sorted, by_value);
			for (size_t k = 0; k < n; k += 1 + n / 7)
				assert_true(select_kth(v, n, k) == sorted[k]);
			free(v);
			free(sorted);
		}
}

/* Values without an order have no k-th one, but the search for it ends. */
static void select_ends_with_nan(void **state)
{
	unsigned seed = 3;

	(void)state;
	for (size_t n = 1; n <= 60; n++)
		for (unsigned share = 1; share <= 4; share++) {
			float v[60];

			for (size_t i = 0; i < n; i++)
				v[i] = (seed = seed * 1103515245u + 12345u) / 65536 % 4 < share ? NAN : (float)i;
			for (size_t k = 0; k < n; k++)
				(void)select_kth(v, n, k);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(select_finds_what_sorting_would),
					    cmocka_unit_test(select_ends_with_nan) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
