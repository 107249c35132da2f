/* What --on does about a verdict: the worst sign asked for, and where that sign begins. */
#include "cli/acting.h"
#include "test.h"

enum { LENGTH = 400 };

static struct acting reacts_to(enum act_type collapse, enum act_type non_finite)
{
	struct acting a = { 0 };

	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		a.to[i] = ACT_COUNT;
	a.to[ALARM_MODE_COLLAPSE] = collapse;
	a.to[ALARM_NON_FINITE] = non_finite;
	return a;
}

static void fire(struct rwkvmon_verdict *v, enum rwkvmon_sign sign, uint64_t since)
{
	v->fires |= (uint32_t)sign;
	v->first_bad[__builtin_ctz((unsigned)sign)] = since;
	if (!v->first_bad_token || since < v->first_bad_token)
		v->first_bad_token = since;
	v->go_back_tokens = LENGTH - v->first_bad_token + 1;
}

/* What fires without a reaction, or for another alarm, has no part in the position. */
static void the_position_is_that_of_the_sign(void **state)
{
	const struct acting both = reacts_to(ACT_REWIND, ACT_STOP), values = reacts_to(ACT_COUNT, ACT_REWIND);
	struct rwkvmon_verdict v = { 0 };
	struct acting_sign s;

	(void)state;
	fire(&v, RWKVMON_HIGH_ENTROPY, 5);
	assert_int_equal(acting_sign(&both, &v).alarm, ALARM_TYPE_COUNT);
	fire(&v, RWKVMON_LOOP, 312);
	s = acting_sign(&both, &v);
	assert_int_equal(s.alarm, ALARM_MODE_COLLAPSE);
	assert_true(s.length == LENGTH && s.since == 312 && s.back == LENGTH - 311);
	fire(&v, RWKVMON_LOW_ENTROPY, 100); /* of the same alarm: goes, too */
	s = acting_sign(&both, &v);
	assert_true(s.what == TEXT_SIGN_LOOP && s.since == 312 && s.back == LENGTH - 99);
	fire(&v, RWKVMON_NON_FINITE, LENGTH);
	s = acting_sign(&values, &v);
	assert_true(s.alarm == ALARM_NON_FINITE && s.since == LENGTH && s.back == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_position_is_that_of_the_sign) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
