/* Memory that runs out at any one call while an analysis is finished: an error, or the verdict that it would be. */
#include "faults.h"
#include "push.h"
#include "test.h"

#include "analyze/analyze.h"
#include "analyze/judgement.h"
#include "record/record.h"

#include <stdio.h>

enum { STEPS = 600, CALLS_MOST = 100000 };

/* A stream of one of two hosts; the second one becomes slower half-way. */
static void push(struct analysis *a, int host, int step)
{
	struct field_values session = { .have = { 0 } }, extra = { .have = { 0 } };
	struct record rec = { .time_us = INT64_C(1760000000000000) + step * INT64_C(50000),
			      .event = EVENT_INFERENCE_STEP,
			      .phase = PHASE_DECODE,
			      .token_count = 1,
			      .sequence_length = 1 + (uint64_t)step,
			      .session = &session,
			      .extra = &extra };
	char id[16], instance[16];

	snprintf(id, sizeof id, "s%d", host);
	snprintf(instance, sizeof instance, "host%d:1", host);
	fields_set_text(&session, F_SESSION_ID, slice_of(id));
	fields_set_text(&session, F_INSTANCE, slice_of(instance));
	fields_set_text(&session, F_MODEL_NAME, slice_of("m"));
	fields_set_text(&session, F_STRATEGY, slice_of("cpu fp32"));
	record_set(&rec, M_TOKEN_LATENCY_MS, (host && step >= STEPS / 2 ? 40 : 20) + step % 7 * 0.1);
	record_set(&rec, M_LOGITS_ENTROPY, 2 + step % 11 * 0.1);
	push_record(a, &rec);
}

static struct analysis *analysis_of(int hosts)
{
	const struct analyze_options how = { .look_for_unusual = true, .foresee = true };
	struct analysis *a;

	assert_int_equal(analyze_open(&a, &how, NULL), 0);
	for (int step = 0; step < STEPS; step++)
		for (int host = 0; host < hosts; host++)
			push(a, host, step);
	return a;
}

static void check_hosts(int hosts)
{
	struct analysis *a = analysis_of(hosts);
	struct findings whole, f;
	unsigned errors = 0, same = 0;
	bool failed = true;

	assert_int_equal(analyze_finish(a, NULL, &whole, NULL), 0);
	for (unsigned nth = 1; failed && nth < CALLS_MOST; nth++) {
		struct err err = { .code = ERR_OK };
		int rc;

		fault_arm((struct fault){ .call = FAULT_MALLOC, .nth = nth });
		rc = analyze_finish(a, NULL, &f, &err);
		failed = fault_hits() > 0;
		fault_disarm();
		errors += rc != 0;
		same += !rc;
		if (rc) {
			assert_int_equal(err.code, ERR_NOMEM);
			continue;
		}
		assert_int_equal(f.judgement->diagnosis.cause, whole.judgement->diagnosis.cause);
		assert_int_equal(f.judgement->diagnosis.confidence, whole.judgement->diagnosis.confidence);
		assert_int_equal(f.n_instances, whole.n_instances);
		for (size_t i = 0; i < f.n_instances; i++)
			assert_int_equal(f.instance[i].cause, whole.instance[i].cause);
		findings_free(&f);
	}
	print_message("%d hosts, \"%s\": %u errors, %u whole answers\n", hosts,
		      cause_specs[whole.judgement->diagnosis.cause].id, errors, same);
	assert_false(failed);
	assert_true(errors > 4 && same > 0);
	findings_free(&whole);
	analyze_close(a);
}

static void no_memory_is_no_verdict(void **state)
{
	(void)state;
	check_hosts(1);
	check_hosts(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_memory_is_no_verdict) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
