/* The grammar of --fail-on: what is understood, and what messages say about the rest. */
#include "test.h"

#include "spec/condition.h"

#include <math.h>

static struct condition one(const char *text)
{
	struct conditions got;
	struct err err = { 0 };

	if (conditions_parse(&got, text, "--fail-on", &err))
		fail_msg("\"%s\": %s", text, err.text);
	assert_int_equal(got.n, 1);
	return got.of[0];
}

static void every_alarm_type_is_a_condition(void **state)
{
	(void)state;
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		struct condition c = one(alarm_specs[type].id);

		assert_int_equal(c.type, type);
		assert_true(slice_is(c.text, alarm_specs[type].id));
	}
}

static void a_verdict_is_a_condition(void **state)
{
	(void)state;
	assert_int_equal(one("attention").judged, JUDGED_ATTENTION);
	assert_int_equal(one(" critical ").judged, JUDGED_CRITICAL);
	assert_int_equal(one("high_latency").judged, JUDGED_NOT);
}

static void every_metric_and_statistic_is_understood(void **state)
{
	char text[200];

	(void)state;
	for (int m = 0; m < METRIC_COUNT; m++)
		for (int i = 0; i < STATISTIC_COUNT_OF; i++) {
			struct condition c;

			snprintf(text, sizeof text, "  %s %s>-1.5e1", metric_specs[m].id, statistic_specs[i].id);
			c = one(text);
			assert_int_equal(c.type, ALARM_TYPE_COUNT);
			assert_int_equal(c.metric, m);
			assert_int_equal(c.statistic, i);
			assert_true(c.greater && !c.or_equal && !c.percent && c.value == -15);
		}
}

static void details_are_kept(void **state)
{
	struct condition c = one("prefill token_latency_ms median <= 5 % ");
	struct conditions got;

	(void)state;
	assert_int_equal(c.phase, PHASE_PREFILL);
	assert_int_equal(c.statistic, STATISTIC_P50);
	assert_true(!c.greater && c.or_equal && c.percent && c.value == 5);
	assert_true(slice_is(c.text, "prefill token_latency_ms median <= 5 %"));
	assert_int_equal(one("state_leak").type, ALARM_STATE_LEAK);
	assert_int_equal(one("state_leak max > 0").metric, M_STATE_LEAK);
	assert_int_equal(conditions_parse(&got, "high_latency , decode throughput_tps p50<90,non_finite", "x", NULL),
			 0);
	assert_int_equal(got.n, 3);
	assert_int_equal(got.of[1].phase, PHASE_DECODE);
	assert_int_equal(got.of[2].type, ALARM_NON_FINITE);
}

static void comparisons_compare(void **state)
{
	struct condition above = one("token_latency_ms max > 5"), least = one("token_latency_ms max >= 5");
	struct condition under = one("token_latency_ms max < 5"), most = one("token_latency_ms max <= 5");

	(void)state;
	assert_true(condition_holds(&above, 6) && !condition_holds(&above, 5));
	assert_true(condition_holds(&least, 5) && !condition_holds(&least, 4));
	assert_true(condition_holds(&under, 4) && !condition_holds(&under, 5));
	assert_true(condition_holds(&most, 5) && !condition_holds(&most, 6));
	assert_false(condition_holds(&above, (double)NAN) || condition_holds(&most, (double)NAN));
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *text, *message, *hint;
	} cases[] = {
		{ "", "column 1: it ends here, but expected attention, critical, an alarm type or a metric",
		  "such as 'high_latency'" },
		{ "high_latncy", "column 1: found \"high_latncy\"", "did you mean \"high_latency\"?" },
		{ "token_latency p95 > 3", "column 1: found \"token_latency\"", "did you mean \"token_latency_ms\"?" },
		{ "token_latency_ms p59 > 3", "column 18: found \"p59\", expected a statistic", "did you mean" },
		{ "token_latency_ms p95 = 3", "column 22: found \"=\", expected a comparison", "quotes" },
		{ "token_latency_ms p95", "column 21: it ends here, but expected a comparison", "quotes" },
		{ "token_latency_ms p95 > much", "column 24: found \"much\", expected a number", "" },
		{ "token_latency_ms p95 > inf", "column 24: found \"inf\", expected a number", "" },
		{ "token_latency_ms p95 > 1 2", "column 26: found \"2\", expected \",\"", "" },
		{ "non_finite, ", "column 13: it ends here", "such as" },
		{ "non_finite p95 > 3", "column 12: found \"p95\", expected \",\"", "" },
		{ "decode high_latency", "column 8: found \"high_latency\"", "" },
	};
	struct conditions got;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err err = { 0 };

		assert_int_equal(conditions_parse(&got, cases[i].text, "--fail-on", &err), -ERR_USAGE);
		if (!strstr(err.text, cases[i].message) || !strstr(err.hint, cases[i].hint))
			fail_msg("\"%s\": %s (%s)", cases[i].text, err.text, err.hint);
	}
}

static void too_many_are_refused(void **state)
{
	char text[400] = "non_finite";
	struct conditions got;
	struct err err = { 0 };

	(void)state;
	for (int i = 1; i < CONDITIONS_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), ",non_finite");
	assert_int_equal(conditions_parse(&got, text, "--fail-on", &err), 0);
	snprintf(text + strlen(text), sizeof text - strlen(text), ",non_finite");
	assert_int_equal(conditions_parse(&got, text, "--fail-on", &err), -ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_alarm_type_is_a_condition),
		cmocka_unit_test(a_verdict_is_a_condition),
		cmocka_unit_test(every_metric_and_statistic_is_understood),
		cmocka_unit_test(details_are_kept),
		cmocka_unit_test(comparisons_compare),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
