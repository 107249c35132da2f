/* Whether instances slowed alone, as a group, or all together, when each of their moments is known to within a while.
 */
#include "test.h"

#include "analyze/slowdown.h"

#include <math.h>

enum { N = 10, SECOND = 1000000 };

static struct instance_findings instance[N];
static char name[N][16];

/* Two on each host. Ten minutes; nobody slowed. */
static struct findings fleet(void)
{
	struct findings f = { .instance = instance, .n_instances = N, .to_us = INT64_C(600) * SECOND };

	for (int i = 0; i < N; i++) {
		snprintf(name[i], sizeof name[i], "box%d:%d", i / 2, 100 + i);
		instance[i] = (struct instance_findings){ .instance = name[i],
							  .model_name = i < 4 ? "small" : "large",
							  .strategy = "",
							  .device = "",
							  .timed = true,
							  .times_slower = (double)NAN,
							  .slower_part.times = (double)NAN };
	}
	return f;
}

/* Begun between two seconds, as far as is known. */
static void slow(int i, double times, bool much, int from_s, int to_s)
{
	instance[i].slower_part = (struct slower_part){ .times = times,
							.earliest_us = (int64_t)from_s * SECOND,
							.latest_us = (int64_t)to_s * SECOND };
	instance[i].slower_us = (int64_t)(from_s + to_s) / 2 * SECOND;
	if (much)
		instance[i].times_slower = times;
}

static void check(struct findings *f, enum slowdown_scope scope, size_t slowed, size_t together)
{
	assert_true(slowdown_tell(f));
	assert_int_equal(f->slowdown.scope, scope);
	assert_int_equal(f->slowdown.slowed, slowed);
	assert_int_equal(f->slowdown.together, together);
	assert_int_equal(f->slowdown.of, N);
}

/* The middles of their times are minutes apart; the times have a moment in common. */
static void whose_times_have_a_moment_in_common_slowed_together(void **state)
{
	struct findings f = fleet();

	(void)state;
	for (int i = 0; i < N; i++)
		slow(i, 1.5 + 0.01 * i, true, 100 + 20 * i, 310 + 20 * i);
	check(&f, SLOWDOWN_COMMON, N, N);
	assert_float_equal(f.slowdown.times, 1.545, 1e-9);
	assert_string_equal(f.slowdown.instance, name[N - 1]);
	assert_true(instance[3].slower_part.together);
	arena_free(&f.arena);
}

static void who_slowed_at_another_time_did_so_alone(void **state)
{
	struct findings f = fleet();

	(void)state;
	slow(1, 2, true, 10, 20);
	slow(6, 1.5, true, 300, 310);
	check(&f, SLOWDOWN_LOCAL, 2, 1);
	assert_string_equal(f.slowdown.instance, name[1]);
	arena_free(&f.arena);
}

static void who_slowed_mildly_counts_beside_others_alone(void **state)
{
	struct findings f = fleet();

	(void)state;
	for (int i = 4; i < N; i++)
		slow(i, i == 8 ? 1.7 : 1.25, false, 200, 260);
	check(&f, SLOWDOWN_NONE, 0, 0);
	slow(5, 1.5, true, 210, 240);
	check(&f, SLOWDOWN_GROUP, 6, 6);
	assert_string_equal(f.slowdown.instance, name[5]); /* the slowest of those whose slowdown is sure */
	assert_string_equal(f.slowdown.shared[SHARED_MODEL], "large");
	assert_null(f.slowdown.shared[SHARED_HOST]);
	arena_free(&f.arena);
	f = fleet();
	slow(5, 1.5, true, 210, 240);
	slow(7, 1.25, false, 200, 260); /* no group: it is left out */
	check(&f, SLOWDOWN_LOCAL, 1, 1);
	assert_false(instance[7].slower_part.together);
	arena_free(&f.arena);
}

static void who_shares_a_host_is_a_group(void **state)
{
	struct findings f = fleet();

	(void)state;
	slow(6, 1.6, true, 200, 260);
	slow(7, 1.4, true, 150, 220);
	check(&f, SLOWDOWN_GROUP, 2, 2);
	assert_string_equal(f.slowdown.shared[SHARED_HOST], "box3");
	arena_free(&f.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whose_times_have_a_moment_in_common_slowed_together),
		cmocka_unit_test(who_slowed_at_another_time_did_so_alone),
		cmocka_unit_test(who_slowed_mildly_counts_beside_others_alone),
		cmocka_unit_test(who_shares_a_host_is_a_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
