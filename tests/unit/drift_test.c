/* How far the state turns away from the one after its sequence's first call: by known angles, when it is sampled, and
 * what keeps it unknown. */
#include "test.h"

#include "observe/observe.h"
#include "record/codec.h"

#include <math.h>
#include <rwkvmon.h>
#include <stdlib.h>
#include <unistd.h>

enum { N = 300 };

/* A unit of the first 100 values turned by an angle towards the others, in two tensors. */
struct turned {
	float x[N];
	struct observed_tensor tensors[2];
};

static void turn(struct turned *t, double angle)
{
	for (int i = 0; i < N; i++)
		t->x[i] = (float)(i < 100 ? cos(angle) / 10 : sin(angle) / sqrt(200));
	t->tensors[0] = (struct observed_tensor){ t->x, 37, VALUE_F32, PART_SHIFT };
	t->tensors[1] = (struct observed_tensor){ t->x + 37, N - 37, VALUE_F32, PART_WKV };
}

static void near(double got, double want)
{
	if (!(fabs(got - want) <= 1e-6))
		fail_msg("a drift of %.9f, expected %.9f", got, want);
}

static uint32_t tokens[1000];

static struct observed_call call_of(const struct turned *t, size_t n_tokens)
{
	return (struct observed_call){
		.end_ns = 1, .tokens = tokens, .n_tokens = n_tokens, .state = t->tensors, .n_state = 2
	};
}

/* The drift that the call's record carries; NAN: none. */
static double feed(struct observer *o, const struct observed_call *c)
{
	struct record r;

	observer_call(o, c, &r);
	return record_has(&r, M_STATE_DRIFT) ? r.metric[M_STATE_DRIFT] : (double)NAN;
}

static double feed_turned(struct observer *o, double angle, size_t n_tokens)
{
	struct turned t;
	struct observed_call c;

	turn(&t, angle);
	c = call_of(&t, n_tokens);
	return feed(o, &c);
}

static void a_known_angle_is_its_cosine(void **state)
{
	static const double angles[] = { 0, 1e-3, 0.1, 1, 1.5707963267948966, 2, 3.141592653589793 };

	(void)state;
	for (int sums = 0; sums < 2; sums++) {
		struct observer *o = observer_open(NULL);

		assert_true(isnan(feed_turned(o, 0, 1)));
		for (size_t i = 0; i < sizeof angles / sizeof *angles; i++) {
			struct state_sums given[PART_COUNT] = { { 1, 1, 1, 0, 0, 0 }, { 1, 1, 1, 0, 0, 0 } };
			struct turned t;
			struct observed_call c;

			turn(&t, angles[i]);
			c = call_of(&t, 100);
			c.sums = sums ? given : NULL;
			near(feed(o, &c), 1 - cos(angles[i]));
		}
		observer_close(o);
	}
}

static void it_is_sampled_where_100_tokens_are_complete(void **state)
{
	static const struct {
		size_t n_tokens;
		bool sampled;
	} calls[] = { { 250, false }, { 49, false }, { 1, true }, { 1, false },  { 98, false },
		      { 1, true },    { 99, false }, { 2, true }, { 700, true }, { 98, false } };
	struct observer *o = observer_open(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		assert_int_equal(!isnan(feed_turned(o, 0.5, calls[i].n_tokens)), calls[i].sampled);
	observer_new_sequence(o);
	assert_true(isnan(feed_turned(o, 0.5, 99)));
	near(feed_turned(o, 1.5, 1), 1 - cos(1)); /* against the new sequence's first */
	observer_close(o);
}

/* Of a window of 100 tokens that is known to the last one: after a rewind beyond what is remembered, that takes 100. */
static void repetition_is_known_of_whole_windows(void **state)
{
	struct observer *o = observer_open(NULL);
	struct record r = { .token_count = 1 };
	uint32_t token;

	(void)state;
	for (token = 0; token < 2050; token++)
		observer_call(o, &(struct observed_call){ .tokens = &token, .n_tokens = 1 }, &r);
	assert_true(record_has(&r, M_TOKEN_REPETITION_PCT));
	observer_go_back(o, 1500); /* of 550 tokens, the last 36 are remembered */
	for (token = 550; token < 720; token++) {
		observer_call(o, &(struct observed_call){ .tokens = &token, .n_tokens = 1 }, &r);
		assert_int_equal(record_has(&r, M_TOKEN_REPETITION_PCT), r.sequence_length >= 700);
		if (r.sequence_length >= 700)
			assert_true(r.metric[M_TOKEN_REPETITION_PCT] == 0);
	}
	observer_close(o);
}

static void a_due_sample_waits_for_a_look(void **state)
{
	struct observer *o = observer_open(NULL);
	struct state_sums sums[PART_COUNT] = { { 1, 1, 1, 0, 0, 0 }, { 1, 1, 1, 0, 0, 0 } };
	struct turned t;
	struct observed_call c;

	(void)state;
	turn(&t, 0);
	c = call_of(&t, 60);
	c.little = true; /* the first state is kept all the same */
	assert_true(isnan(feed(o, &c)));
	turn(&t, 1);
	assert_false(observer_wants_state(o, 39, false));
	assert_true(observer_wants_state(o, 40, false));
	assert_false(observer_wants_state(o, 40, true));
	assert_true(isnan(feed(o, &c))); /* completes the 100, but is not looked at */
	c.little = false;
	c.sums = sums;
	c.n_state = 0; /* nor is there anything to look at */
	assert_true(observer_wants_state(o, 1, false));
	assert_true(isnan(feed(o, &c)));
	c.n_state = 2;
	c.n_tokens = 1;
	near(feed(o, &c), 1 - cos(1));
	assert_true(isnan(feed(o, &c)));
	observer_close(o);
}

static void what_has_no_angle_has_neither_drift_nor_similarity(void **state)
{
	static const float bad[] = { NAN, INFINITY, -INFINITY };
	struct observer *o;
	struct turned t;
	struct observed_call c;
	struct record r;

	(void)state;
	for (size_t i = 0; i < 3; i++) { /* a bad state now, then one that is well again */
		o = observer_open(NULL);
		assert_true(isnan(feed_turned(o, 0, 1)));
		turn(&t, 1);
		t.x[200] = bad[i];
		c = call_of(&t, 100);
		observer_call(o, &c, &r);
		assert_false(record_has(&r, M_STATE_DRIFT));
		assert_false(record_has(&r, M_STATE_SIMILARITY));
		assert_false(record_has(&r, M_STATE_CHANGE));
		near(feed_turned(o, 2, 100), 1 - cos(2));
		observer_close(o);
	}
	for (size_t i = 0; i < 4; i++) { /* a bad first one, or one that is all zero */
		o = observer_open(NULL);
		turn(&t, 1);
		if (i == 3)
			memset(t.x, 0, sizeof t.x);
		else
			t.x[7] = bad[i];
		c = call_of(&t, 1);
		assert_true(isnan(feed(o, &c)));
		assert_true(isnan(feed_turned(o, 1, 100)));
		observer_close(o);
	}
}

/* The jump of the record after a call that is given the state at one angle and leaves it at another; NAN: none. */
static double feed_from(struct observer *o, double given, double left, double *similarity)
{
	struct turned t, before;
	struct observed_call c;
	struct record r;

	turn(&before, given);
	observer_given(o, before.tensors, 2);
	turn(&t, left);
	c = call_of(&t, 1);
	observer_call(o, &c, &r);
	*similarity = record_has(&r, M_STATE_SIMILARITY) ? r.metric[M_STATE_SIMILARITY] : (double)NAN;
	return record_has(&r, M_STATE_JUMP) ? r.metric[M_STATE_JUMP] : (double)NAN;
}

static void a_call_that_is_given_another_state_has_jumped(void **state)
{
	struct observer *o = observer_open(NULL);
	double similarity;

	(void)state;
	assert_true(isnan(feed_from(o, 3, 0, &similarity))); /* a sequence's first call */
	assert_true(isnan(feed_from(o, 0, 0.5, &similarity)));
	near(similarity, cos(0.5));
	near(feed_from(o, 2, 2.25, &similarity),
	     2 * sin(0.75));         /* the chord between what was left and what was given */
	near(similarity, cos(0.25)); /* to what it was given */
	assert_true(isnan(feed_from(o, 2.25 + 0.007, 3, &similarity))); /* as rounding may turn it */
	assert_true(feed_from(o, 3 + 0.009, 0, &similarity) > 0);
	observer_new_sequence(o);
	assert_true(isnan(feed_from(o, 2, 1, &similarity)));
	observer_close(o);
}

static void another_shape_is_not_compared(void **state)
{
	struct observer *o = observer_open(NULL);
	struct turned t;
	struct observed_call c;

	(void)state;
	assert_true(isnan(feed_turned(o, 0, 1)));
	turn(&t, 1);
	t.tensors[1].n--;
	c = call_of(&t, 100);
	assert_true(isnan(feed(o, &c)));
	t.tensors[1].n++;
	near(feed(o, &c), 1 - cos(1)); /* the first state is still known */
	observer_new_sequence(o);
	c.n_state = 0; /* a first call that shows no state */
	assert_true(isnan(feed(o, &c)));
	assert_false(observer_wants_state(o, 100, false));
	assert_true(isnan(feed_turned(o, 1, 100)));
	observer_close(o);
}

/* Halves are widened once; what is then compared is the same. */
static void halves_drift_as_floats_do(void **state)
{
	static const float values[4] = { 1, -2, 0.5F, 3 }, later[4] = { -1, 2, 4, 0.25F };
	double want = 1 - (-1 - 4 + 2 + 0.75) / (sqrt(14.25) * sqrt(21.0625));

	(void)state;
	for (int type = VALUE_F32; type < VALUE_TYPE_COUNT; type++) {
		struct observer *o = observer_open(NULL);
		uint16_t half[2][4];
		struct observed_tensor tensor = { .n = 4, .dtype = (enum value_type)type, .part = PART_WKV };
		struct observed_call c = {
			.end_ns = 1, .tokens = tokens, .n_tokens = 100, .state = &tensor, .n_state = 1
		};

		for (int i = 0; i < 4; i++) {
			half[0][i] = type == VALUE_F16 ? f16_of_float(values[i]) : bf16_of_float(values[i]);
			half[1][i] = type == VALUE_F16 ? f16_of_float(later[i]) : bf16_of_float(later[i]);
		}
		tensor.p = type == VALUE_F32 ? (const void *)values : half[0];
		assert_true(isnan(feed(o, &c)));
		tensor.p = type == VALUE_F32 ? (const void *)later : half[1];
		near(feed(o, &c), want);
		observer_close(o);
	}
}

/* The largest fp16 value of logits and state: told when there are any, and all are finite. */
static void the_largest_half_is_told(void **state)
{
	uint16_t logits[3] = { f16_of_float(3), f16_of_float(-700), f16_of_float(20) };
	uint16_t half[3] = { f16_of_float(-60000), 0, f16_of_float(5) };
	const float whole[3] = { 1e6F, 0, 0 };
	struct observed_tensor tensor[2] = { { half, 3, VALUE_F16, PART_SHIFT }, { whole, 3, VALUE_F32, PART_WKV } };
	struct observed_call c = { .end_ns = 1,
				   .tokens = tokens,
				   .n_tokens = 1,
				   .state = tensor,
				   .n_state = 2,
				   .logits = logits,
				   .n_logits = 3,
				   .logits_dtype = VALUE_F16 };
	struct observer *o = observer_open(NULL);
	struct record r;

	(void)state;
	observer_call(o, &c, &r);
	near(r.metric[M_FP16_LARGEST], 60000); /* a multiple of 32: fp16 has it */
	c.n_state = 0;
	observer_call(o, &c, &r);
	near(r.metric[M_FP16_LARGEST], 700);
	logits[2] = 0xfc00;
	observer_call(o, &c, &r);
	assert_false(record_has(&r, M_FP16_LARGEST));
	c.logits = whole;
	c.logits_dtype = VALUE_F32;
	observer_call(o, &c, &r);
	assert_false(record_has(&r, M_FP16_LARGEST));
	observer_close(o);
}

/* Through the C API: asked before each call, given only then. The log has it in the records that are sampled. */
static void callers_may_ask_before_they_fetch_a_state(void **state)
{
	char dir[] = "/tmp/rwkvmon-drift-XXXXXX", path[64];
	struct rwkvmon_state_sums sums = { RWKVMON_WKV, 1, 1, 1, 0, 0 };
	struct rwkvmon_step s = {
		.struct_size = sizeof s, .tokens = tokens, .n_tokens = 50, .sums = &sums, .n_sums = 1
	};
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = path, .overhead_budget_pct = -1 };
	struct turned t;
	struct rwkvmon_tensor tensor = { t.x, N, RWKVMON_F32, RWKVMON_WKV };
	struct record_decoder d = { 0 };
	char line[8192];
	unsigned asked = 0, told = 0;
	rwkvmon *mon;
	FILE *log;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/log", dir);
	assert_int_equal(rwkvmon_wants_state(NULL, 100), 0);
	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	for (int i = 0; i < 9; i++) {
		bool wanted = rwkvmon_wants_state(mon, 50);

		assert_int_equal(wanted, i == 0 || i % 2);
		turn(&t, i / 10.0);
		s.state = wanted ? &tensor : NULL;
		s.n_state = wanted;
		rwkvmon_end(mon, &s);
		asked += wanted;
	}
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	log = fopen(path, "r");
	assert_non_null(log);
	for (int i = -1; fgets(line, sizeof line, log); i++) {
		struct record r;

		assert_int_equal(record_decode(&d, slice_of(line), &r), DECODE_OK);
		if (r.event != EVENT_INFERENCE_STEP || !record_has(&r, M_STATE_DRIFT))
			continue;
		told++;
		assert_int_equal(r.sequence_length, 50 * (i + 1));
		near(r.metric[M_STATE_DRIFT], 1 - cos(i / 10.0));
	}
	assert_int_equal(told, 4);
	assert_int_equal(asked, 5);
	fclose(log);
	record_decoder_free(&d);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_angle_is_its_cosine),
		cmocka_unit_test(it_is_sampled_where_100_tokens_are_complete),
		cmocka_unit_test(repetition_is_known_of_whole_windows),
		cmocka_unit_test(a_due_sample_waits_for_a_look),
		cmocka_unit_test(what_has_no_angle_has_neither_drift_nor_similarity),
		cmocka_unit_test(a_call_that_is_given_another_state_has_jumped),
		cmocka_unit_test(another_shape_is_not_compared),
		cmocka_unit_test(halves_drift_as_floats_do),
		cmocka_unit_test(the_largest_half_is_told),
		cmocka_unit_test(callers_may_ask_before_they_fetch_a_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
