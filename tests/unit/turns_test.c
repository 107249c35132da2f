/* Conversations that take turns on one handle without a word: found by their states, told once, and nothing is compared
 * across them. A single one is never taken for several. */
#include "test.h"

#include "observe/observe.h"
#include "observe/turns.h"

#include "random.h"

#include <math.h>

enum { SHIFT = 64, WKV = 4096, VOCAB = 256, CALLS = 400 };

struct talk {
	float shift[SHIFT], wkv[WKV];
	uint64_t random;
};

static float noise(void)
{
	return (float)(2 * unit() - 1);
}

/* A call changes a tenth of the state, or so. */
static void say(struct talk *t)
{
	uint64_t other = seed;

	seed = t->random;
	for (int i = 0; i < SHIFT; i++)
		t->shift[i] = noise();
	for (int i = 0; i < WKV; i++)
		t->wkv[i] = 0.95F * t->wkv[i] + 0.3F * noise();
	t->random = seed;
	seed = other;
}

static void observe(struct observer *o, const struct talk *t, uint32_t token, struct record *out)
{
	static float logits[VOCAB]; /* the same probability of all */
	const struct observed_tensor state[] = { { t->shift, SHIFT, VALUE_F32, PART_SHIFT },
						 { t->wkv, WKV, VALUE_F32, PART_WKV } };
	const struct observed_call call = { .begin_ns = 1,
					    .end_ns = 2,
					    .tokens = &token,
					    .n_tokens = 1,
					    .phase = PHASE_PREFILL,
					    .logits = logits,
					    .n_logits = VOCAB,
					    .state = state,
					    .n_state = 2 };

	observer_call(o, &call, out);
}

struct counts {
	int jumps, compared, surprised;
};

static struct counts take_turns(int n, int tokens_a_turn)
{
	struct observer *o = observer_open(NULL);
	struct talk *talk = calloc((size_t)n, sizeof *talk);
	struct counts counts = { 0 };

	assert_non_null(o);
	assert_non_null(talk);
	for (int i = 0; i < n; i++)
		talk[i].random = ((uint64_t)i + 1) << 32;
	for (int i = 0; i < CALLS; i++) {
		struct talk *t = &talk[i / tokens_a_turn % n];
		struct record r = { 0 };

		say(t);
		observe(o, t, (uint32_t)(unit() * (VOCAB - 1)), &r);
		counts.jumps += record_has(&r, M_STATE_JUMP);
		counts.compared += record_has(&r, M_STATE_SIMILARITY);
		counts.surprised += record_has(&r, M_SURPRISAL_NATS);
	}
	free(talk);
	observer_close(o);
	return counts;
}

static void those_that_take_turns_are_told_once(void **state)
{
	(void)state;
	for (int n = 2; n <= 16; n++) {
		struct counts counts = take_turns(n, 1);

		assert_int_equal(counts.jumps, 1);
		assert_in_range(counts.compared, 0, n + 4); /* the first of each, until it is noticed */
		assert_in_range(counts.surprised, 0, n + 4);
	}
	assert_int_equal(take_turns(2, 3).jumps, 1);
	assert_in_range(take_turns(2, 3).surprised, 0, 60);
}

static void a_single_one_is_compared_with_itself(void **state)
{
	const struct counts counts = take_turns(1, 1);

	(void)state;
	assert_int_equal(counts.jumps, 0);
	assert_int_equal(counts.compared, CALLS - 1);
	assert_int_equal(counts.surprised, CALLS - 1);
}

/* Its states come back with the tokens. */
static void one_that_repeats_itself_is_single(void **state)
{
	enum { PERIOD = 7 };
	struct observer *o = observer_open(NULL);
	struct talk talk = { .random = 1 };

	(void)state;
	for (int i = 0; i < CALLS; i++) {
		struct record r = { 0 };

		talk.random = (uint64_t)(i % PERIOD + 1) << 32;
		say(&talk);
		observe(o, &talk, (uint32_t)(i % PERIOD), &r);
		assert_false(record_has(&r, M_STATE_JUMP));
		assert_int_equal(record_has(&r, M_STATE_SIMILARITY), i > 0);
	}
	observer_close(o);
}

/* Whoever says when sequences begin knows whose calls they are; one that says that it went back has said where the next
 * call goes on from. */
static void what_is_declared_is_no_turn(void **state)
{
	struct observer *o = observer_open(NULL);
	struct talk talk[2] = { { .random = UINT64_C(1) << 32 }, { .random = UINT64_C(2) << 32 } };

	(void)state;
	for (int i = 0; i < CALLS; i++) {
		struct record r = { 0 };

		if (i % 4 == 0)
			observer_new_sequence(o);
		else if (i % 2 == 0)
			observer_go_back(o, 1);
		say(&talk[i / 2 % 2]);
		observe(o, &talk[i / 2 % 2], (uint32_t)i % VOCAB, &r);
		assert_false(record_has(&r, M_STATE_JUMP));
		assert_int_equal(record_has(&r, M_STATE_SIMILARITY), i % 2);
	}
	observer_close(o);
}

static void states_without_a_recurrent_part_say_nothing(void **state)
{
	struct turns *t = turns_open();
	const float values[TURNS_VALUES] = { 1 };
	struct observed_tensor shift = { values, TURNS_VALUES, VALUE_F32, PART_SHIFT };
	struct observed_tensor few = { values, TURNS_VALUES - 1, VALUE_F32, PART_WKV };
	double apart = 0;

	(void)state;
	assert_false(turns_look(t, &shift, 1, 1, &apart));
	assert_false(turns_look(t, &few, 1, 1, &apart));
	assert_false(turns_look(t, NULL, 0, 1, &apart));
	assert_true(isnan(apart));
	turns_close(t);
	turns_reset(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_that_take_turns_are_told_once),
		cmocka_unit_test(a_single_one_is_compared_with_itself),
		cmocka_unit_test(one_that_repeats_itself_is_single),
		cmocka_unit_test(what_is_declared_is_no_turn),
		cmocka_unit_test(states_without_a_recurrent_part_say_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
