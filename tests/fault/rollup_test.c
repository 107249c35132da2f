/* Roll-ups while memory runs out: each step is in one, or counted as lost, and the next minute is whole again. */
#include "test.h"

#include "faults.h"

#include "record/columns.h"
#include "ship/rollup.h"

#include <errno.h>

enum { STREAMS = 6, STEPS = 40, CALLS_MAX = 4000 };

static const int64_t BEGIN_US = INT64_C(1760000000000000), SECOND_US = 1000000;

struct put {
	uint64_t steps;
};

static bool count(void *ctx, const struct rollup *r, size_t sketch_bytes)
{
	struct put *p = ctx;
	struct buf line = { 0 };
	const bool fine = rollup_write(&line, r, "id-1", sketch_bytes);

	assert_true(!fine || (line.used && line.p[line.used - 1] == '\n'));
	p->steps += fine ? r->records : 0;
	buf_free(&line);
	return fine;
}

/* A minute of some streams of two models on two instances: two minutes old, they have roll-ups of their own. */
static void take_minute(struct rollups *t, struct columns *c, int minute)
{
	static const char *const id[STREAMS] = { "a", "b", "c", "d", "e", "f" };
	struct field_values v[STREAMS];

	c->n = c->n_whole = 0;
	for (uint16_t i = 0; i < STREAMS; i++) {
		v[i] = (struct field_values){ .have = { 0 } };
		fields_set_text(&v[i], F_INSTANCE, slice_of(i % 2 ? "host:1" : "host:2"));
		fields_set_text(&v[i], F_MODEL_NAME, slice_of(i % 3 ? "m" : "n"));
		for (int k = 0; k < STEPS; k++) {
			struct decoded d = { .rec = { .time_us = BEGIN_US + (60 * minute + k) * SECOND_US,
						      .event = EVENT_INFERENCE_STEP,
						      .phase = k % 2 ? PHASE_PREFILL : PHASE_DECODE,
						      .token_count = 1,
						      .session = &v[i] },
					     .session_id = slice_of(id[i]),
					     .who = i };

			record_set(&d.rec, M_TOKEN_LATENCY_MS, 20 + k + i);
			record_set(&d.rec, M_LOGITS_ENTROPY, 0.1234 * k);
			columns_add(c, &d);
		}
	}
	rollups_take(t, c, "a.log");
}

/* The Nth allocation of the second minute fails, alone or with all that follow in it; the third minute has memory. */
static void each_step_is_summed_up_or_counted_as_lost(void **state)
{
	struct columns *c = aligned_alloc(64, sizeof *c);

	(void)state;
	for (int persistent = 0; persistent < 2; persistent++)
		for (unsigned nth = 1, hits = 1; hits; nth++) {
			struct rollups *t = rollups_open();
			struct put p = { 0 };
			struct rollups_lost lost;

			assert_true(nth < CALLS_MAX);
			take_minute(t, c, 0);
			rollups_flush(t, count, &p);
			assert_int_equal(p.steps, STREAMS * STEPS);
			fault_arm((struct fault){ FAULT_MALLOC, nth, persistent, ENOMEM, 0 });
			take_minute(t, c, 1);
			rollups_flush(t, count, &p);
			fault_disarm();
			hits = fault_hits();
			lost = rollups_lost(t);
			assert_int_equal(p.steps + lost.steps, 2 * STREAMS * STEPS);
			assert_true(!lost.steps == !lost.rollups);
			take_minute(t, c, 2);
			rollups_flush(t, count, &p);
			assert_int_equal(rollups_lost(t).rollups, 0);
			assert_int_equal(p.steps + lost.steps, 3 * STREAMS * STEPS);
			rollups_close(t);
		}
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_is_summed_up_or_counted_as_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
